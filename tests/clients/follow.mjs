// Follows a shape with Electric's own client, and says in a line of JSON each time what it has.
// Environment: ELECTRIC_URL; PARAMS, the shape as JSON; LIVE_SSE. Ends when its input does.
import { Shape, ShapeStream } from "@electric-sql/client";

const MOST_ROWS = 20;

const say = (facts) => process.stdout.write(`${JSON.stringify(facts)}\n`);

const stream = new ShapeStream({
  url: `${process.env.ELECTRIC_URL}/v1/shape`,
  params: JSON.parse(process.env.PARAMS),
  liveSse: process.env.LIVE_SSE === "true",
  onError: (error) => {
    say({ error: String(error) });
  },
});
stream.subscribe((messages) => {
  for (const { headers } of messages) {
    if (headers.control === "must-refetch") {
      say({ refetched: true });
    }
    for (const txid of headers.txids ?? []) {
      say({ txid });
    }
  }
});
new Shape(stream).subscribe(({ rows }) => {
  const known = rows.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  say({ count: rows.length, rows: rows.length > MOST_ROWS ? [] : known });
});

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
