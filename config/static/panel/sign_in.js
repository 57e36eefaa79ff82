// Until Alpine has started the page is hidden, and what is hidden cannot be given the focus.
document.addEventListener("alpine:initialized", () => document.querySelector(".door [autofocus]")?.focus());
