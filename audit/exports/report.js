"use strict";
// Shows the decisions and checks the report against its own checkpoint, offline, with the browser's WebCrypto.
// Everything from a record reaches the page as text, never as markup.
(() => {
  const byId = (id) => document.getElementById(id);
  const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const utf8 = new TextEncoder();
  const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\ufff0-\ufffb\ud800-\udfff]|\udb40[\udc00-\udfff]/g;
  const PAIRS = /[\ud800-\udbff][\udc00-\udfff]/g;
  const shown = (text) => {
    const kept = [];
    const cut = text.length > 300 ? text.slice(0, 299) + "…" : text;
    const held = cut.replace(PAIRS, (pair) => (pair[0] === "\udb40" ? pair : "\ufdd0" + (kept.push(pair) - 1) + "\ufdd1"));
    const safe = held.replace(INVISIBLE, (c) => "\\u{" + c.codePointAt(0).toString(16) + "}");
    return safe.replace(/\ufdd0(\d+)\ufdd1/g, (_, at) => kept[at]);
  };

  async function inflated(id) {
    const stream = new Blob([bytesOf(byId(id).textContent)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  // — the table —

  const COLUMNS = ["verdict", "namespace", "kind", "operation", "data_class", "jurisdiction", "codes", "models"];
  const PAGE = 50;

  function unpacked(packed) {
    const summed = (differences) => { let at = 0; return differences.map((difference) => (at += difference)); };
    const rows = { index: summed(packed.index), second: summed(packed.second) };
    for (const name of COLUMNS) rows[name] = packed[name];
    rows.value = (name, row) => packed[name].values[packed[name].codes[row]];
    return rows;
  }

  function startTable(rows, leaves) {
    const place = new Map(leaves.index.map((index, at) => [index, at]));
    let found = [];
    let page = 0;
    const cell = (text, kind) => {
      const made = document.createElement("td");
      if (kind) {
        const swatch = document.createElement("span");
        swatch.className = "swatch " + kind;
        made.append(swatch);
        made.className = "verdict";
      }
      made.append(shown(text));
      return made;
    };
    const twoLines = (gvk) => {
      const at = gvk.lastIndexOf("/");
      const made = cell(gvk.slice(at + 1));
      const group = document.createElement("small");
      group.textContent = shown(gvk.slice(0, at));
      made.append(group);
      return made;
    };
    const shortened = (text) => {
      const made = cell(text.length > 48 ? text.slice(0, 36) + "…" + text.slice(-8) : text);
      made.title = shown(text);
      return made;
    };
    const show = (index) => {
      const at = place.get(index);
      byId("record").hidden = false;
      byId("record-title").textContent = "Record " + index;
      byId("record-text").textContent = at === undefined
        ? "This record is not embedded in full. In the log: bailiwick audit prove " + index
        : JSON.stringify(JSON.parse(leaves.text[at]), null, 1).replace(INVISIBLE, (c) => (c === "\n" ? c : "\\u{" + c.codePointAt(0).toString(16) + "}"));
    };
    const draw = () => {
      const body = byId("rows");
      body.replaceChildren();
      for (const row of found.slice(page * PAGE, page * PAGE + PAGE)) {
        const line = document.createElement("tr");
        line.tabIndex = 0;
        const time = new Date(rows.second[row] * 1000).toISOString().replace("T", " ").slice(0, 19);
        line.append(cell(time), cell(rows.value("verdict", row), rows.value("verdict", row)));
        line.append(cell(rows.value("namespace", row)), twoLines(rows.value("kind", row)));
        for (const name of ["operation", "data_class", "jurisdiction", "codes"]) line.append(cell(rows.value(name, row)));
        line.append(shortened(rows.value("models", row)));
        line.addEventListener("click", () => show(rows.index[row]));
        line.addEventListener("keydown", (event) => { if (event.key === "Enter") show(rows.index[row]); });
        body.append(line);
      }
      const pages = Math.max(1, Math.ceil(found.length / PAGE));
      byId("count").textContent = found.length.toLocaleString("en") + " decisions, page " + (page + 1) + " of " + pages;
      byId("back").disabled = page === 0;
      byId("next").disabled = page >= pages - 1;
    };
    const matching = (name, test) => {
      const values = rows[name].values.map(test);
      return (row) => values[rows[name].codes[row]];
    };
    const filter = () => {
      const verdict = byId("by-verdict").value;
      const namespace = byId("by-namespace").value.trim().toLowerCase();
      const kind = byId("by-kind").value.trim().toLowerCase();
      const words = byId("by-text").value.toLowerCase().split(/\s+/).filter(Boolean);
      const tests = [];
      if (verdict) tests.push(matching("verdict", (value) => value === verdict));
      if (namespace) tests.push(matching("namespace", (value) => value.toLowerCase().includes(namespace)));
      if (kind) tests.push(matching("kind", (value) => value.toLowerCase().includes(kind)));
      for (const word of words) {
        const each = COLUMNS.map((name) => matching(name, (value) => value.toLowerCase().includes(word)));
        tests.push((row) => each.some((test) => test(row)));
      }
      found = [];
      for (let row = rows.index.length - 1; row >= 0; row--) if (tests.every((test) => test(row))) found.push(row);
      page = 0;
      draw();
    };
    for (const id of ["by-verdict", "by-namespace", "by-kind", "by-text"]) byId(id).addEventListener("input", filter);
    byId("back").addEventListener("click", () => { page--; draw(); });
    byId("next").addEventListener("click", () => { page++; draw(); });
    filter();
  }

  // — RFC 6962, C2SP signed notes —

  const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const joined = (prefix, ...parts) => {
    const whole = new Uint8Array(1 + parts.reduce((sum, part) => sum + part.length, 0));
    whole[0] = prefix;
    let at = 1;
    for (const part of parts) { whole.set(part, at); at += part.length; }
    return whole;
  };
  const leafHash = (leaf) => sha256(joined(0, leaf));
  const nodeHash = (left, right) => sha256(joined(1, left, right));
  const same = (left, right) => hex(left) === hex(right);

  async function inBatches(items, work, told) {
    const results = [];
    for (let at = 0; at < items.length; at += 1024) {
      results.push(...await Promise.all(items.slice(at, at + 1024).map(work)));
      told(Math.min(at + 1024, items.length), items.length);
    }
    return results;
  }

  // The numbers of the report's records, from runs of neighbours: [first, how many].
  const numbersOf = (runs) => runs.flatMap(([first, count]) => Array.from({ length: count }, (_, at) => first + at));

  // Which complete subtrees hold none of the numbers, from left to right: as level and place. RFC 6962 splits the tree.
  function besides(numbers, size) {
    const found = [];
    const waiting = size ? [[0, size]] : [];
    let at = 0;
    while (waiting.length) {
      const [low, high] = waiting.pop();
      const width = high - low;
      const level = Math.round(Math.log2(width));
      if ((at === numbers.length || numbers[at] >= high) && 2 ** level === width) found.push([level, low / width]);
      else if (width === 1) at++;
      else {
        let half = 1;
        while (half * 2 < width) half *= 2;
        waiting.push([low + half, high], [low, low + half]);
      }
    }
    return found;
  }

  // The root, level by level: the last node of a level that has no neighbour rises as it is.
  async function rootOf(numbers, hashes, proof, told) {
    const given = bytesOf(proof.outside);
    const places = besides(numbers, proof.size);
    if (given.length !== places.length * 32) throw new Error("the report lacks a part of the tree, or has too much of it");
    const levels = new Map();
    places.forEach(([level, place], at) => {
      if (!levels.has(level)) levels.set(level, []);
      levels.get(level).push([place, given.slice(at * 32, at * 32 + 32)]);
    });
    let nodes = numbers.map((number, at) => [number, hashes[at]]);
    let width = proof.size;
    for (let level = 0; ; level++, width = Math.ceil(width / 2)) {
      if (levels.has(level)) nodes = nodes.concat(levels.get(level)).sort((left, right) => left[0] - right[0]);
      if (width <= 1) break;
      const pairs = [];
      let last = null;
      for (let at = 0; at < nodes.length; at++) {
        const [place, hash] = nodes[at];
        if (place % 2 === 0 && place === width - 1) last = [place / 2, hash];
        else if (place % 2 === 0 && at + 1 < nodes.length && nodes[at + 1][0] === place + 1) pairs.push([place / 2, hash, nodes[++at][1]]);
        else throw new Error("the report lacks a part of the tree");
      }
      nodes = await inBatches(pairs, async ([place, left, right]) => [place, await nodeHash(left, right)], told);
      if (last) nodes.push(last);
    }
    if (nodes.length !== 1) throw new Error("the report lacks a part of the tree");
    return nodes[0][1];
  }

  function parsedNote(note) {
    const split = note.lastIndexOf("\n\n");
    const text = note.slice(0, split + 1);
    const lines = text.split("\n");
    const signatures = note.slice(split + 2).split("\n").filter(Boolean).map((line) => {
      const [, name, encoded] = line.split(" ");
      const bytes = bytesOf(encoded);
      return { name, id: hex(bytes.slice(0, 4)), signature: bytes.slice(4) };
    });
    return { text, origin: lines[0], size: Number(lines[1]), root: bytesOf(lines[2]), signatures };
  }

  async function parsedKey(text) {
    const [name, id, ...rest] = text.trim().split("+");
    const material = bytesOf(rest.join("+"));
    if (material[0] !== 1 || material.length !== 33) throw new Error("only Ed25519 log keys (kind 01) can be checked here");
    const expected = (await sha256(new Uint8Array([...utf8.encode(name + "\n"), ...material]))).slice(0, 4);
    if (hex(expected) !== id) throw new Error("the key and its id don't belong together");
    return { name, id, raw: material.slice(1) };
  }

  class Unable extends Error {}

  async function verifiedBy(note, key) {
    const signature = note.signatures.find((line) => line.name === key.name && line.id === key.id);
    if (!signature) throw new Error("the checkpoint carries no signature by " + key.name + " (" + key.id + ")");
    let imported;
    try {
      imported = await crypto.subtle.importKey("raw", key.raw, { name: "Ed25519" }, false, ["verify"]);
    } catch (error) {
      if (error.name === "NotSupportedError" || error.name === "SyntaxError") throw new Unable("this browser has no Ed25519: use a newer one, or `bailiwick audit verify`");
      throw error;
    }
    if (!await crypto.subtle.verify({ name: "Ed25519" }, imported, signature.signature, utf8.encode(note.text))) throw new Error("the signature by " + key.name + " is not valid");
  }

  // — the steps —

  const CODES = (leaf) => [...new Set((leaf.reasons || []).map((reason) => reason.code))].join(", ");
  const EXPECTED = {
    verdict: (leaf) => leaf.verdict, namespace: (leaf) => leaf.namespace || "", kind: (leaf) => leaf.gvk,
    operation: (leaf) => leaf.operation + (leaf.subresource ? "/" + leaf.subresource : ""), data_class: (leaf) => leaf.data_class || "",
    jurisdiction: (leaf) => leaf.jurisdiction || "", codes: CODES, models: (leaf) => (leaf.models || []).join(", "),
  };

  async function checkContents(proof, hashes, leaves, rows, told) {
    const computed = await inBatches(leaves.text, (text) => leafHash(utf8.encode(text)), told);
    const rowOf = new Map(rows.index.map((index, row) => [index, row]));
    const hashOf = new Map(numbersOf(proof.runs).map((number, at) => [number, hashes[at]]));
    for (const index of rows.index) if (!hashOf.has(index)) throw new Error("the table shows record " + index + ", which has no hash here");
    leaves.index.forEach((index, at) => {
      if (!hashOf.has(index) || !same(computed[at], hashOf.get(index))) throw new Error("record " + index + " does not match its hash");
      const leaf = JSON.parse(leaves.text[at]);
      const row = rowOf.get(index);
      if (row === undefined) return;
      for (const name of COLUMNS) if (rows.value(name, row) !== EXPECTED[name](leaf)) throw new Error("the table shows another " + name + " for record " + index);
      if (Math.floor(Date.parse(leaf.time) / 1000) !== rows.second[row]) throw new Error("the table shows another time for record " + index);
    });
    return leaves.text.length.toLocaleString("en") + " of " + hashes.length.toLocaleString("en") + " records are embedded in full, each matches its hash and its line";
  }

  function checkFigures(rows) {
    const counted = {};
    for (const code of rows.verdict.codes) counted[rows.verdict.values[code]] = (counted[rows.verdict.values[code]] || 0) + 1;
    for (const figure of document.querySelectorAll("[data-verdict]")) {
      const expected = counted[figure.dataset.verdict] || 0;
      if (Number(figure.dataset.count) !== expected || figure.textContent.replace(/\D/g, "") !== String(expected)) throw new Error(figure.dataset.verdict + " says " + figure.textContent + ", the lines make " + expected);
    }
    return rows.index.length.toLocaleString("en") + " decisions counted again";
  }

  async function checkTree(proof, hashes, note, told) {
    if (note.size !== proof.size) throw new Error("the checkpoint is of " + note.size + " records, the report of " + proof.size);
    const numbers = numbersOf(proof.runs);
    if (numbers.length !== hashes.length || numbers.some((number, at) => at && number <= numbers[at - 1])) throw new Error("the records are not numbered one after the other");
    const covered = numbers.filter((number) => number < proof.size).length;
    const root = await rootOf(numbers.slice(0, covered), hashes.slice(0, covered), proof, told);
    if (!same(root, note.root)) throw new Error("the hashes lead to another root than the checkpoint's");
    const later = hashes.length - covered;
    return covered.toLocaleString("en") + " records lie under the root" + (later ? "; the last " + later + " are newer than the checkpoint" : "");
  }

  async function step(id, work) {
    const line = byId(id);
    const detail = line.querySelector("small");
    line.dataset.state = "works";
    try {
      detail.textContent = await work((done, total) => { detail.textContent = done.toLocaleString("en") + " of " + total.toLocaleString("en"); });
      line.dataset.state = "holds";
    } catch (error) {
      line.dataset.state = error instanceof Unable ? "unable" : "fails";
      detail.textContent = error.message;
    }
    return line.dataset.state;
  }

  async function verify(parts) {
    const { proof, hashes, leaves, rows } = await parts;
    const note = parsedNote(byId("checkpoint").textContent);
    const states = [
      await step("step-contents", (told) => checkContents(proof, hashes, leaves, rows, told)),
      await step("step-figures", async () => checkFigures(rows)),
      await step("step-tree", (told) => checkTree(proof, hashes, note, told)),
      await step("step-signature", async () => {
        const key = await parsedKey(byId("key").value);
        await verifiedBy(note, key);
        return "signed by " + key.name + " (" + key.id + ")";
      }),
    ];
    const result = byId("result");
    const failed = states.includes("fails");
    result.className = failed ? "bad" : states.includes("unable") ? "" : "good";
    result.textContent = failed ? "This report does not hold." : states.includes("unable") ? "Everything that this browser can check holds." : "This report holds.";
    result.dataset.result = failed ? "fails" : states.includes("unable") ? "unable" : "holds";
  }

  function loaded() {
    const whole = bytesOf(byId("hashes").textContent);
    const hashes = [];
    for (let at = 0; at < whole.length; at += 32) hashes.push(whole.slice(at, at + 32));
    return Promise.all([inflated("proof"), inflated("packed-rows"), inflated("leaves")]).then(([proof, rows, leaves]) => ({ proof, hashes, rows: unpacked(rows), leaves }));
  }

  if (typeof DecompressionStream === "undefined" || !window.crypto || !crypto.subtle) {
    byId("result").textContent = "This browser can't unpack or check the report: use a newer one, or `bailiwick audit verify`.";
    byId("start").disabled = true;
    return;
  }
  const parts = loaded();
  parts.then(({ rows, leaves }) => startTable(rows, leaves), (error) => {
    byId("result").className = "bad";
    byId("result").textContent = "The report's data is damaged: " + error.message;
  });
  const start = () => {
    byId("start").disabled = true;
    verify(parts).catch((error) => { byId("result").className = "bad"; byId("result").textContent = error.message; })
      .finally(() => { byId("start").disabled = false; });
  };
  byId("start").addEventListener("click", start);
  if (location.hash === "#verify") start(); // a link may ask for it at once
})();
