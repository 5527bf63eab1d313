/** What the demo stores: a workspace of a small team, written edit by edit, so that everything has a history. */
import { randomBytes } from "node:crypto";
import { below, pick, seeded, text } from "jazz-native-storage-benches/random";

/**
 * @typedef {import("cojson").LocalNode} LocalNode
 * @typedef {import("cojson").RawGroup} RawGroup
 * @typedef {import("jazz-native-storage-benches/random").Random} Random
 *
 * @typedef {object} Size
 * @property {number} maps
 * @property {number} editsPerMap
 * @property {number} lists
 * @property {number} editsPerList
 * @property {number} texts
 * @property {number} streams
 * @property {number} streamBytes of the binary stream
 */

/** @type {Size} */
export const FULL = {
  maps: 300,
  editsPerMap: 12,
  lists: 20,
  editsPerList: 60,
  texts: 5,
  streams: 5,
  streamBytes: 5 * 1024 * 1024,
};

/** @type {Size} */
export const QUICK = {
  maps: 12,
  editsPerMap: 6,
  lists: 3,
  editsPerList: 12,
  texts: 2,
  streams: 2,
  streamBytes: 512 * 1024,
};

/** Bytes of a binary stream in one transaction, as Jazz cuts files. */
const FILE_CHUNK = 100 * 1024;

/**
 * Fills a node that has an account. The edits are those of a seed, the bytes of the file are random.
 *
 * @param {LocalNode} node
 * @param {Size} size
 */
export async function fillWorkspace(node, size) {
  const random = seeded(2);
  const account = node.expectCurrentAccount("the demo's node has one");
  const team = node.createGroup();
  const project = node.createGroup();
  project.extend(team);
  // A reader comes and goes: the group gets a new key, and what follows is encrypted with it.
  project.addMember("everyone", "reader");
  const before = project.createMap({ note: "readable by everyone" });
  await settle();
  project.removeMember("everyone");
  await settle();

  const root = team.createMap();
  account.set("root", root.id, "trusting");
  root.set("public note", before.id);
  for (let n = 0; n < size.maps; n++) {
    const map = pick(random, [team, project]).createMap(firstFields(random, n));
    await settle();
    for (let edit = 0; edit < size.editsPerMap; edit++) await editMap(map, random, edit);
    root.set(`map ${n}`, map.id);
    await settle();
  }
  for (let n = 0; n < size.lists; n++) {
    const list = project.createList([text(random, 20), text(random, 20)]);
    await settle();
    for (let edit = 0; edit < size.editsPerList; edit++) await editList(list, random);
    root.set(`list ${n}`, list.id);
  }
  for (let n = 0; n < size.texts; n++) root.set(`text ${n}`, await writeText(project, random));
  for (let n = 0; n < size.streams; n++) root.set(`stream ${n}`, await writeStream(project, random));
  root.set("file", await writeFile(project, size.streamBytes));

  const gone = project.createMap({ secret: text(random, 100) });
  await settle();
  gone.core.deleteCoValue();
  await settle();
}

/**
 * Lets the node hand its edits to the storage, which it does at the end of a turn: without it, edits would be collected
 * into one message, unlike those of a person at work.
 */
async function settle() {
  await Promise.resolve();
}

/**
 * @param {Random} random
 * @param {number} n
 */
function firstFields(random, n) {
  return {
    title: text(random, 30),
    position: n,
    ratio: random(),
    done: n % 3 === 0,
    nothing: null,
    tags: [text(random, 8), text(random, 8)],
    nested: { ключ: { 空: [1, "\ud83c\udf0a", { deep: true }] }, quote: '"\\\n\u2028' },
  };
}

/**
 * @param {import("cojson").RawCoMap} map
 * @param {Random} random
 * @param {number} edit
 */
async function editMap(map, random, edit) {
  if (edit === 3) {
    map.delete("tags");
  } else {
    const privacy = edit % 5 === 4 ? "trusting" : "private";
    map.set(pick(random, ["title", "body", "position"]), text(random, 10 + below(random, 100)), privacy);
  }
  await settle();
}

/**
 * @param {import("cojson").RawCoList} list
 * @param {Random} random
 */
async function editList(list, random) {
  const length = list.length();
  const choice = random();
  if (choice < 0.2 && length > 1) list.delete(below(random, length));
  else if (choice < 0.4 && length > 0) list.replace(below(random, length), text(random, 15));
  else if (choice < 0.6) list.prepend(text(random, 15));
  else list.append({ text: text(random, 15), at: length });
  await settle();
}

/**
 * @param {RawGroup} group
 * @param {Random} random
 */
async function writeText(group, random) {
  const plain = group.createPlainText(text(random, 200));
  await settle();
  for (let edit = 0; edit < 20; edit++) {
    const length = plain.length();
    if (edit % 4 === 3) plain.deleteRange({ from: 0, to: 1 + below(random, length >> 1) });
    else plain.insertAfter(below(random, length), text(random, 12));
    await settle();
  }
  return plain.id;
}

/**
 * @param {RawGroup} group
 * @param {Random} random
 */
async function writeStream(group, random) {
  const stream = group.createStream();
  for (let item = 0; item < 20; item++) {
    stream.push({ item, text: text(random, 40) }, item % 2 === 0 ? "private" : "trusting");
    await settle();
  }
  return stream.id;
}

/**
 * @param {RawGroup} group
 * @param {number} size
 */
async function writeFile(group, size) {
  const stream = group.createBinaryStream();
  stream.startBinaryStream({
    mimeType: "application/octet-stream",
    fileName: "noise.bin",
    totalSizeBytes: size,
  });
  for (let start = 0; start < size; start += FILE_CHUNK) {
    stream.pushBinaryStreamChunk(randomBytes(Math.min(FILE_CHUNK, size - start)));
    await settle();
  }
  stream.endBinaryStream();
  await settle();
  return stream.id;
}
