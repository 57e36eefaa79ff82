"use strict";
// Keeps the board of a competition's page up to date: asks every few seconds whether it has another version, while the
// page is looked at.

const EVERY_MS = 3000;

function follow(board, state) {
  let tag = null;

  async function ask() {
    if (document.hidden) return true;
    const headers = tag ? { "If-None-Match": tag } : {};
    const answer = await fetch(board.dataset.liveBoard, { headers, redirect: "manual", cache: "no-store" });
    if (answer.type === "opaqueredirect" || answer.status === 403 || answer.status === 404) {
      state.textContent = "This board does not follow any more: load the page again.";
      return false;
    }
    if (answer.status === 200) {
      tag = answer.headers.get("ETag");
      board.innerHTML = await answer.text();
    }
    if (answer.ok || answer.status === 304) state.textContent = "Follows by itself.";
    return true;
  }

  async function again() {
    let goesOn = true;
    try {
      goesOn = await ask();
    } catch {
      state.textContent = "The server does not answer; trying again.";
    }
    if (goesOn) setTimeout(again, EVERY_MS);
  }

  again();
}

document.querySelectorAll("[data-live-board]").forEach((board) =>
  follow(board, board.parentElement.querySelector("[data-live-state]")),
);
