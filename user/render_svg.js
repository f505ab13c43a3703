// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Makes the picture that render_svg.c drew interactive: zoom, search, hover, inverted view, width of the window.
// Names come from a process that is not trusted: they are read from text nodes and only ever written as text.
(function () {
	"use strict";

	const SVG = "http://www.w3.org/2000/svg";
	const HTML = "http://www.w3.org/1999/xhtml";
	const svg = document.currentScript.closest("svg");
	const margin = Number(svg.dataset.margin);
	const rowHeight = Number(svg.dataset.row);
	const columnWidth = Number(svg.dataset.column);
	const minLabelColumns = Number(svg.dataset.labelColumns);
	const minWidth = 800;
	const frameOf = new Map(); // element -> frame
	const graphs = Array.from(svg.querySelectorAll(".graph"), readGraph);
	let width = 0;
	let inverted = false;

	// --- what the file holds -------------------------------------------------------------------------

	function readGraph(element) {
		const graph = { depth: Number(element.dataset.depth), matched: element.querySelector(".matched") };
		graph.frames = Array.from(element.querySelectorAll(".f"), (frame) => readFrame(frame, graph));
		graph.frames.sort((a, b) => a.start - b.start || a.depth - b.depth);
		graph.root = graph.frames[0];
		graph.focus = graph.root;
		return graph;
	}

	function readFrame(element, graph) {
		const [start, value, depth] = element.dataset.f.split(" ").map(Number);
		const title = element.querySelector("title");
		const lines = title.textContent.split("\n");
		const frame = { element, graph, start, value, end: start + value, depth, lines, name: lines[0] };
		title.remove(); // the tip replaces the browser's own, which is late and plain
		frame.rect = element.querySelector("rect");
		frame.text = element.querySelector("text");
		frameOf.set(element, frame);
		return frame;
	}

	// --- labels: as render_frame_fitted() does -------------------------------------------------------

	function columnsOf(string) {
		let columns = 0;
		for (const character of string) {
			const codePoint = character.codePointAt(0);
			columns += codePoint >= 0x2e80 && codePoint !== 0xfffd ? 2 : 1;
		}
		return columns;
	}

	function cut(string, columns) {
		let kept = "";
		let used = 1;
		for (const character of string) {
			used += columnsOf(character);
			if (used > columns)
				return kept + "…";
			kept += character;
		}
		return kept;
	}

	function labelOf(name, columns) {
		if (columnsOf(name) <= columns)
			return name;
		const parts = /^(.*) \((.*)\)$/.exec(name);
		if (!parts)
			return cut(name, columns);
		const [, func, place] = parts;
		for (let at = place.indexOf("/", 1); at >= 0; at = place.indexOf("/", at + 1)) {
			const shorter = func + " (…" + place.slice(at) + ")";
			if (columnsOf(shorter) <= columns)
				return shorter;
		}
		return cut(func + " (" + place.slice(place.lastIndexOf("/") + 1) + ")", columns);
	}

	// --- layout --------------------------------------------------------------------------------------

	function setLabel(frame, x, y, frameWidth) {
		const columns = Math.floor((frameWidth - 6) / columnWidth);
		if (columns < minLabelColumns) {
			if (frame.text)
				frame.text.textContent = "";
			return;
		}
		if (!frame.text)
			frame.text = frame.element.appendChild(document.createElementNS(SVG, "text"));
		frame.text.setAttribute("x", x + 3);
		frame.text.setAttribute("y", y + rowHeight - 5);
		frame.text.textContent = labelOf(frame.name, columns);
	}

	function place(frame, x, frameWidth) {
		const y = (inverted ? frame.depth : frame.graph.depth - frame.depth) * rowHeight;
		frame.rect.setAttribute("x", x);
		frame.rect.setAttribute("y", y);
		frame.rect.setAttribute("width", Math.max(frameWidth - 0.5, 0.1));
		setLabel(frame, x, y, frameWidth);
	}

	// The frame in focus takes the full width, and so do its callers; frames beside it are hidden.
	function layout(graph) {
		const focus = graph.focus;
		const room = width - 2 * margin;
		for (const frame of graph.frames) {
			const inside = frame.depth >= focus.depth && frame.start >= focus.start && frame.end <= focus.end;
			const above = frame.depth < focus.depth && frame.start <= focus.start && frame.end >= focus.end;
			frame.element.style.display = inside || above ? "" : "none";
			frame.element.classList.toggle("above", above);
			if (above)
				place(frame, margin, room);
			else if (inside)
				place(frame, margin + ((frame.start - focus.start) * room) / focus.value,
				      (frame.value * room) / focus.value);
		}
	}

	function fitWindow() {
		width = Math.max(svg.getBoundingClientRect().width, minWidth);
		bar.setAttribute("x", width - margin - bar.getAttribute("width"));
		graphs.forEach(layout);
	}

	// --- search --------------------------------------------------------------------------------------

	// Frames are in order, callers first: what lies under a match is already counted.
	function matchedShare(graph, matches) {
		let sum = 0;
		let counted = -1;
		for (const frame of matches) {
			if (frame.start < counted)
				continue;
			sum += frame.value;
			counted = frame.end;
		}
		return (100 * sum) / graph.root.value;
	}

	function searchGraph(graph, expression) {
		const matches = expression ? graph.frames.filter((frame) => expression.test(frame.name)) : [];
		const found = new Set(matches);
		for (const frame of graph.frames)
			frame.element.classList.toggle("hit", found.has(frame));
		graph.matched.textContent =
			expression ? "matched: " + matchedShare(graph, matches).toFixed(2) + " %" : "";
	}

	function search() {
		let expression = null;
		input.classList.remove("invalid");
		try {
			expression = input.value ? new RegExp(input.value, "i") : null;
		} catch (error) {
			input.classList.add("invalid"); // half typed: nothing matches
		}
		graphs.forEach((graph) => searchGraph(graph, expression));
	}

	// --- controls ------------------------------------------------------------------------------------

	function create(parent, tag, className) {
		const element = parent.appendChild(document.createElementNS(HTML, tag));
		if (className)
			element.className = className;
		return element;
	}

	function createForeign(x, y, foreignWidth, height) {
		const foreign = svg.appendChild(document.createElementNS(SVG, "foreignObject"));
		Object.entries({ x, y, width: foreignWidth, height }).forEach((entry) => foreign.setAttribute(...entry));
		return foreign;
	}

	function createButton(parent, text, hint, action) {
		const button = create(parent, "button");
		button.textContent = text;
		button.title = hint;
		button.addEventListener("click", action);
		return button;
	}

	function invert() {
		inverted = !inverted;
		invertButton.setAttribute("aria-pressed", String(inverted));
		graphs.forEach(layout);
	}

	function reset() {
		input.value = "";
		search();
		for (const graph of graphs) {
			graph.focus = graph.root;
			layout(graph);
		}
	}

	function frameAt(event) {
		return frameOf.get(event.target.closest(".f"));
	}

	function zoom(event) {
		const frame = frameAt(event);
		if (!frame)
			return;
		frame.graph.focus = frame;
		layout(frame.graph);
	}

	function showTip(event) {
		const frame = frameAt(event);
		tips.style.display = frame ? "" : "none";
		if (!frame)
			return;
		tip.replaceChildren();
		for (const line of frame.lines)
			create(tip, "div").textContent = line;
		const box = svg.getBoundingClientRect();
		const below = event.clientY + 20 + tip.offsetHeight < window.innerHeight;
		const x = Math.min(event.clientX - box.left + 12, width - tip.offsetWidth - 4);
		const y = event.clientY - box.top + (below ? 20 : -tip.offsetHeight - 10);
		tips.setAttribute("x", Math.max(x, 0));
		tips.setAttribute("y", Math.max(y, 0));
	}

	function pressKey(event) {
		if (event.key === "Escape") {
			input.blur();
			reset();
		} else if (event.key === "f" && (event.ctrlKey || event.metaKey) && document.activeElement !== input) {
			event.preventDefault(); // a second Ctrl-F gets the browser's own search
			input.focus();
			input.select();
		}
	}

	const bar = createForeign(0, 10, 470, 32);
	const barBox = create(bar, "div", "bar");
	const input = create(barBox, "input");
	input.placeholder = "Search: regular expression";
	input.title = "Ctrl-F";
	input.addEventListener("input", search);
	const invertButton = createButton(barBox, "Invert", "Root at the top (icicle) or at the bottom (flame)", invert);
	invertButton.setAttribute("aria-pressed", "false");
	createButton(barBox, "Reset", "Esc", reset);
	const tips = createForeign(0, 0, 640, 100);
	tips.setAttribute("class", "tips");
	tips.style.display = "none";
	const tip = create(tips, "div", "tip");

	svg.removeAttribute("viewBox");
	svg.setAttribute("width", "100%");
	svg.addEventListener("click", zoom);
	svg.addEventListener("mousemove", showTip);
	svg.addEventListener("mouseleave", () => { tips.style.display = "none"; });
	window.addEventListener("keydown", pressKey);
	window.addEventListener("resize", fitWindow);
	fitWindow();
})();
