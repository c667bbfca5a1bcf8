// Makes the replica set, unless it is there, and waits until it has a primary.
try {
  rs.status();
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  rs.initiate({
    _id: "pebbles",
    members: [1, 2, 3].map((number) => ({ _id: number, host: `mongo-${number}:27017` })),
  });
}
while (!db.hello().primary) sleep(500);
