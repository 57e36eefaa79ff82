// Until Alpine has started, and has put its marks away after that, the page is hidden; what is hidden gets no focus.
document.addEventListener("alpine:initialized", () => setTimeout(() => document.querySelector(".door [autofocus]")?.focus()));
