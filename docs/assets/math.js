// Typesets formulas. Material replaces the page's content without loading a page, so this runs on each of its changes.
const typeset = () =>
  renderMathInElement(document.body, {
    delimiters: [
      { left: "\\(", right: "\\)", display: false },
      { left: "\\[", right: "\\]", display: true },
    ],
    throwOnError: true,
  });
if (typeof document$ === "undefined") document.addEventListener("DOMContentLoaded", typeset);
else document$.subscribe(typeset);
