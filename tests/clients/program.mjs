// What the programs have in common: they say what they have in lines of JSON, and do what lines of JSON tell them.
// Environment: WAY, how a shape is asked for; ACCOUNT, who asks, and PGHOST and so on where there is no gatekeeper.
// A program ends when its input does.
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { call } from "./api.mjs";
import { callFunction, shapeByName, shapeByToken } from "./gatekeeper.mjs";

const MOST_ROWS = 20;

// The client makes a BigInt of what is int8, which JSON does not know.
const plain = (_, value) => (typeof value === "bigint" ? Number(value) : value);

export const say = (fact) => process.stdout.write(`${JSON.stringify(fact, plain)}\n`);

const way = JSON.parse(process.env.WAY);

// How the shape is asked for: of Electric itself, or of the gatekeeper in one of its two styles.
const found = {
  electric: () => way.options,
  token: () => shapeByToken(way.origin, way.wanted, way.signedIn),
  name: () => shapeByName(way.origin, way.wanted, way.signedIn),
};
const known = await found[way.style]();
export const options = {
  ...known,
  liveSse: way.sse,
  onError: (error) => {
    say({ failed: error.status ?? String(error) });
    return known.onError?.(error);
  },
};

// Calls a function of schema api as who follows: through the gatekeeper where that is the way, else in the database.
export const callAsMe = async (name, given) =>
  way.origin
    ? callFunction(way.origin, name, given, way.signedIn)
    : (await call(process.env.ACCOUNT, name, given))[0];

// All rows are in the digest; to the line of JSON it matters how many there are.
export function sayRows(rows) {
  const sorted = rows.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  const digest = createHash("sha256");
  for (const { id, content } of sorted) {
    digest.update(JSON.stringify([id, content]));
  }
  say({ count: rows.length, digest: digest.digest("hex"), rows: rows.length > MOST_ROWS ? [] : sorted });
}

// commands: by name, each a function of the line.
export function obey(commands = {}) {
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      const { command, ...given } = JSON.parse(line);
      commands[command](given);
    })
    .on("close", () => process.exit(0));
}
