async function call(method, path) {
  const answer = await fetch(path, { method }); // the cookie goes along by itself: one origin
  const body = await answer.json();
  if (answer.status === 503) return show("Try again in a moment.");
  if (body && body.error === "session_ended") return show("You are signed out.");
  show(JSON.stringify(body));
}

function show(text) {
  document.getElementById("cart").textContent = text;
}

for (const button of document.querySelectorAll("button")) {
  button.addEventListener("click", () => call("POST", "/api/cart/" + button.dataset.item));
}
call("GET", "/api/cart");
