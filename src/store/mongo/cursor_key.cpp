#include <algorithm>

#include "store/mongo/shared.hpp"

namespace pebbles::store::mongo {
namespace {

Bson key_filter() {
  Bson out;
  out.text("_id", "cursorKey");
  return out;
}

/// By a majority: what is found is never rolled back, and so is never replaced by another key.
Result<std::optional<CursorKey>> find_cursor_key(mongoc_collection_t* secrets) {
  std::optional<CursorKey> out;
  bool is_there = false;
  PEBBLES_TRY_VOID(find(secrets, key_filter(), Bson{}, [&](const bson_t* document) {
    is_there = true;
    each_member(document, [&](std::string_view name, const bson_iter_t& member) {
      if (name != "key" || bytes_of(member).size() != CursorKey{}.size()) return;
      std::ranges::copy(bytes_of(member), out.emplace().begin());
    });
    return false;
  }));
  if (is_there && !out)
    return failure(Errc::store_corrupt,
                   "MongoDB: the document 'cursorKey' of pebbles_secrets has no `key` of 32 bytes. Restore it from a "
                   "backup, or delete the document: then a new key is made, and clients begin again with their lists "
                   "and feeds");
  return out;
}

}  // namespace

Result<CursorKey> find_or_make_cursor_key(mongoc_collection_t* secrets) {
  PEBBLES_TRY(known, find_cursor_key(secrets));
  if (known) return *known;
  Bson drawn, change, upsert;
  drawn.binary("key", draw_cursor_key());
  change.document("$setOnInsert", drawn);
  upsert.boolean("upsert", true);
  bson_error_t error;
  // Acknowledged by a majority also where another instance was first. Of two at the same moment one may hear of a
  // duplicate key: then the other's is there.
  if (!mongoc_collection_update_one(secrets, key_filter().get(), change.get(), upsert.get(), nullptr, &error) &&
      error.code != duplicate_key)
    return std::unexpected{Fault::of(error, nullptr).to_error()};
  PEBBLES_TRY(made, find_cursor_key(secrets));
  if (made) return *made;
  return failure(Errc::store_unavailable, "MongoDB: another instance makes the key of cursors at this moment");
}

}  // namespace pebbles::store::mongo
