// Nothing depends on this file: it counts the deadlines down, shows times in the time
// zone of whoever reads them, and sends the two requests of the race from here.
"use strict";

// Deadlines, counted from the seconds that the server gave: the clock of this machine
// may be wrong. performance.now() is the time since the page was asked for.
const deadlines = document.querySelectorAll("time[data-left]");

function clock(seconds) {
  const two = (n) => String(n).padStart(2, "0");
  const d = Math.floor(seconds / 86400);
  const h = Math.floor(seconds / 3600) % 24;
  const m = Math.floor(seconds / 60) % 60;
  const parts = [two(m), two(seconds % 60)];
  if (d > 0 || h > 0) parts.unshift(two(h));
  return (d > 0 ? (d === 1 ? "1 day " : d + " days ") : "") + parts.join(":");
}

function countDown() {
  for (const time of deadlines) {
    const left = Number(time.dataset.left) - Math.floor(performance.now() / 1000);
    time.textContent = left > 0 ? clock(left) : "over";
  }
}

if (deadlines.length > 0) {
  countDown();
  setInterval(countDown, 1000);
}

for (const time of document.querySelectorAll("time[data-moment]")) {
  time.textContent = new Date(time.dateTime).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

// The race. Both requests are sent at once; the server holds each for its time after it
// has loaded the session. What became of them is read from the session afterwards.
const race = document.querySelector("form[data-race]");

async function post(path, fields) {
  const answer = await fetch(path, { method: "POST", body: new URLSearchParams(fields) });
  if (!answer.ok) throw new Error("the answer was " + answer.status);
  return answer;
}

function grow(bar, milliseconds) {
  const began = performance.now();
  const step = (now) => {
    bar.value = Math.min(1, (now - began) / milliseconds) * 1000;
    if (bar.value < bar.max) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

async function run() {
  const says = race.querySelector("[data-race-says]");
  const button = race.querySelector("button");
  const leg = async (side, round, ms) => {
    grow(document.getElementById("lane-" + side), ms);
    await post("/race/" + side, { round, ms });
  };
  button.disabled = true;
  says.textContent = "Two requests are under way.";
  try {
    const { round } = await (await post("/race/begin", {})).json();
    race.querySelector(".live").hidden = false;
    await Promise.all([leg("left", round, 1200), leg("right", round, 1800)]);
    location.replace("/race?round=" + round + "#result");
  } catch (problem) {
    says.textContent = "The race could not be run: " + problem.message + ".";
    button.disabled = false;
  }
}

if (race) {
  race.addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
}
