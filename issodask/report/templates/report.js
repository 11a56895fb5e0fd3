(function () {
  "use strict";
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const options = { displayModeBar: false, doubleClick: false };
  const drawn = new Set();

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
    const style = getComputedStyle(document.documentElement);
    const figure = themed(figures[element.dataset.figure], style);
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

  // Far away charts wait until they are scrolled near, so that eighty columns do not hold up the page.
  const watcher = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
      watcher.unobserve(entry.target);
      draw(entry.target);
    }),
    { rootMargin: "800px" }
  );
  document.querySelectorAll(".plot").forEach((element) => watcher.observe(element));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(draw));
  window.addEventListener("beforeprint", () => document.querySelectorAll(".plot").forEach(draw));
})();
