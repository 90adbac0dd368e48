// Lets long names in tables, such as `folder/test_module.py::test_name`, break: after a slash or a double colon, and
// within a part that is still long after an underscore.
const LONG = 36;
const breakNames = () => {
  for (const code of document.querySelectorAll(".md-typeset td code")) {
    const parts = code.textContent.split(/(?<=\/|::)/).flatMap((part) => (part.length > LONG ? part.split(/(?<=_)/) : part));
    if (code.textContent.length <= LONG || parts.length === 1 || code.querySelector("wbr")) continue;
    code.replaceChildren(...parts.flatMap((part) => [part, document.createElement("wbr")]).slice(0, -1));
  }
};
if (typeof document$ === "undefined") document.addEventListener("DOMContentLoaded", breakNames);
else document$.subscribe(breakNames);
