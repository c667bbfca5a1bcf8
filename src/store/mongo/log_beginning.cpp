#include "store/mongo/log_beginning.hpp"

namespace pebbles::store::mongo {

Bson LogBeginning::filter() const {
  auto out = only_id(stored.stream, stored.chunk.first);
  out.binary("hash", stored.chunk.hash);
  return out;
}

Result<LogBeginning> read_beginning(const bson_t* document) {
  PEBBLES_TRY(stored, read_chunk(document));
  LogBeginning out;
  out.stored = std::move(stored);
  each_member(document, [&](std::string_view name, const bson_iter_t& member) {
    const auto date = [&] { return Timestamp{std::chrono::milliseconds{bson_iter_date_time(&member)}}; };
    if (BSON_ITER_HOLDS_DATE_TIME(&member)) {
      if (name == "keysUntil") out.keys_until = date();
      if (name == "deletedAt") out.deleted_at = date();
      if (name == "due") out.due = date();
    }
    if (name == "left") out.left = bson_iter_as_int64(&member);
    if (name == "deletedVersion") out.deleted_version = bson_iter_as_int64(&member);
  });
  out.held_at = time_in(document, "heldAt").value_or(0);
  return out;
}

Bson without_texts() {
  Bson fields, out;
  fields.small("events", 0).small("kept", 0);
  out.document("projection", fields);
  return out;
}

Result<std::optional<LogBeginning>> find_beginning(mongoc_collection_t* events, const StreamId& stream) {
  std::optional<LogBeginning> out;
  std::optional<Error> bad;
  PEBBLES_TRY_VOID(find(events, only_id(stream, 1), by_id(), [&](const bson_t* document) {
    auto read = read_beginning(document);
    if (read)
      out = *std::move(read);
    else
      bad = read.error();
    return false;
  }));
  if (bad) return std::unexpected{*std::move(bad)};
  return out;
}

}  // namespace pebbles::store::mongo
