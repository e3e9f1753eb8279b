// What the programs have in common: they say what they have in lines of JSON, and do what lines of JSON tell them.
// Environment: SHAPE, how the shape is asked for. A program ends when its input does.
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";

const MOST_ROWS = 20;

// The client makes a BigInt of what is int8, which JSON does not know.
const plain = (_, value) => (typeof value === "bigint" ? Number(value) : value);

export const say = (fact) => process.stdout.write(`${JSON.stringify(fact, plain)}\n`);

export const options = {
  ...JSON.parse(process.env.SHAPE),
  onError: (error) => say({ failed: String(error) }),
};

// All rows are in the digest; to the line of JSON it matters how many there are.
export function sayRows(rows) {
  const known = rows.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  const digest = createHash("sha256");
  for (const { id, content } of known) {
    digest.update(JSON.stringify([id, content]));
  }
  say({ count: rows.length, digest: digest.digest("hex"), rows: rows.length > MOST_ROWS ? [] : known });
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
