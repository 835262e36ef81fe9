"use strict";
// What all sections share: the data of the page, the chosen run, and charts that are drawn when they come into view.

/** Data of the page: section name -> content, see report/sections. */
const DATA = JSON.parse(document.getElementById("data").textContent);

/** Section name -> function that sets the section up; `start.js` calls them in the order of the page. */
const SECTIONS = {};

/** Name of the chosen run, which is the same in all sections. */
const chosen = {
  run: null,
  listeners: [],
  /** Choose a run, and update all sections that show one. */
  choose(run) {
    if (run === this.run) return;
    this.run = run;
    for (const listener of this.listeners) listener(run);
  },
  /** Call a function now, if a run is chosen, and whenever another one is. */
  follow(listener) {
    this.listeners.push(listener);
    if (this.run !== null) listener(this.run);
  },
};

/** Make an element: `element("td", {class: "number"}, "42")`. Texts are never parsed as HTML. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/**
 * Draw a chart into a container when it comes into view, and again when its width changes or before printing.
 *
 * `draw(width)` returns options of Plot.plot; `label` describes the chart to people who do not see it. A later call for
 * the same container replaces the chart.
 */
function chart(container, label, draw) {
  const show = () => {
    const width = Math.max(280, container.clientWidth);
    const plot = Plot.plot({width, style: {background: "transparent", fontSize: "12px"}, ...draw(width)});
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", label);
    container.replaceChildren(plot);
    container.shownWidth = container.clientWidth;
  };
  container.show = show;
  container.shownWidth = null;
  if (container.watcher) {
    if (container.inView) show();
    return;
  }
  container.watcher = new IntersectionObserver((entries) => {
    container.inView = entries.at(-1).isIntersecting;
    if (container.inView && container.shownWidth === null) container.show();
  }, {rootMargin: "400px"});
  container.watcher.observe(container);
  new ResizeObserver(() => {
    if (container.shownWidth !== null && container.shownWidth !== container.clientWidth) container.show();
  }).observe(container);
  addEventListener("beforeprint", () => container.show());
}

/** A share from 0 to 1 in percent with one decimal, or a dash. */
const percent = (value) => (value === null || value === undefined ? "-" : (100 * value).toFixed(1));
