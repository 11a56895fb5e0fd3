(function () {
  "use strict";
  const root = document.documentElement;
  if (!root.classList.contains("charts")) {
    return; // the page says so, and has its tables
  }
  const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%/()*+-;,=.?@^_`{|}~";
  const options = { displayModeBar: false, doubleClick: false };
  const places = [...document.querySelectorAll(".plot")];
  const drawn = new Set();
  let texts = null; // of plotly.js and of the charts, once they are unpacked
  let figures = null; // the charts, once plotly.js runs

  // Base 85: five letters are four bytes, the last group may be shorter.
  function bytesOf(letters) {
    const values = new Map([...LETTERS].map((letter, value) => [letter.charCodeAt(0), value]));
    const bytes = new Uint8Array(Math.floor((letters.length * 4) / 5));
    for (let i = 0, at = 0; i < letters.length; i += 5, at += 4) {
      let word = 0;
      for (let j = i; j < i + 5; j++) {
        word = word * 85 + (j < letters.length ? values.get(letters.charCodeAt(j)) : 84);
      }
      for (let j = 0; j < 4 && at + j < bytes.length; j++) {
        bytes[at + j] = word >>> (24 - 8 * j);
      }
    }
    return bytes;
  }

  function unpacked(id) {
    const bytes = bytesOf(document.getElementById(id).textContent.trim());
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  let unpacking = null;
  function unpack() {
    unpacking ??= Promise.all([unpacked("plotly"), unpacked("figures")]).then((found) => { texts = found; });
    return unpacking;
  }

  function start() {
    if (figures === null) {
      const script = document.createElement("script");
      script.textContent = texts[0];
      document.head.append(script);
      figures = JSON.parse(texts[1]);
    }
  }

  // "@name" in a figure stands for the CSS variable --name of the scheme in use.
  function themed(value, style) {
    if (typeof value === "string" && /^@[a-z0-9]+$/.test(value)) {
      return style.getPropertyValue("--" + value.slice(1)).trim();
    }
    if (Array.isArray(value)) {
      return value.map((item) => themed(item, style));
    }
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, themed(item, style)]));
    }
    return value;
  }

  function draw(element) {
    start();
    const figure = themed(figures[element.dataset.figure], getComputedStyle(root));
    Plotly.react(element, figure.data, figure.layout, options);
    drawn.add(element);
    sizes.observe(element);
  }

  const sizes = new ResizeObserver((entries) => entries.forEach((entry) => {
    const isShown = entry.contentRect.width > 0;
    if (isShown && Math.abs(entry.contentRect.width - entry.target._fullLayout.width) > 1) {
      Plotly.Plots.resize(entry.target);
    }
  }));

  // Charts wait until they are scrolled near, so that eighty columns do not hold up the page.
  const watcher = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
      watcher.unobserve(entry.target);
      unpack().then(() => draw(entry.target)).catch(failed);
    }),
    { rootMargin: "800px" }
  );

  function failed(error) {
    root.classList.remove("charts");
    console.error(error);
  }

  // Printing does not wait: all has to be unpacked by then, and is drawn as wide and as light as paper is.
  function toPaper() {
    if (texts !== null) {
      root.classList.add("paper");
      places.forEach(draw);
    }
  }

  function toScreen() {
    root.classList.remove("paper");
    drawn.forEach(draw);
  }

  places.forEach((element) => watcher.observe(element));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(draw));
  window.addEventListener("load", () => setTimeout(() => unpack().catch(failed), 500));
  window.addEventListener("beforeprint", toPaper);
  window.addEventListener("afterprint", toScreen);
})();
