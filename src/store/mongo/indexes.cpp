#include <fmt/core.h>

#include <map>

#include "store/mongo/shared.hpp"

namespace pebbles::store::mongo {
namespace {

struct Index {
  std::string_view collection;
  std::string name;
  Bson keys;
  bool unique = false;
  Bson partial;  ///< empty: none
};

Bson keys_of(std::initializer_list<std::pair<std::string_view, int>> fields) {
  Bson out;
  for (const auto& [name, direction] : fields) out.small(name, direction);
  return out;
}

std::vector<Index> wanted_indexes() {
  std::vector<Index> out;
  const auto add = [&](std::string_view collection, std::string name,
                       std::initializer_list<std::pair<std::string_view, int>> fields, bool unique = false) -> Index& {
    return out.emplace_back(Index{
        .collection = collection, .name = std::move(name), .keys = keys_of(fields), .unique = unique, .partial = {}});
  };
  // The names are those of the service before: an existing installation has these indexes already.
  add(progress_name, "clientKrn_1_filename_1_email_1", {{"clientKrn", 1}, {"filename", 1}, {"email", 1}}, true);
  add(progress_name, "progress_client_email_idx", {{"clientKrn", 1}, {"email", 1}});
  add(progress_name, "progress_client_idx", {{"clientKrn", 1}});
  add(progress_name, "progress_page_idx", {{"clientKrn", 1}, {"updatedAt", -1}, {"_id", -1}});
  add(progress_name, "progress_owner_page_idx", {{"clientKrn", 1}, {"email", 1}, {"updatedAt", -1}, {"_id", -1}});
  add(progress_name, "progress_created_idx", {{"clientKrn", 1}, {"_id", 1}});
  add(progress_name, "progress_state_idx", {{"clientKrn", 1}, {"state", 1}, {"updatedAt", 1}});
  const auto add_partial = [&](std::string_view collection, std::string name, std::string_view present,
                               std::initializer_list<std::pair<std::string_view, int>> fields, bool unique = false) {
    Bson exists;
    exists.boolean("$exists", true);
    add(collection, std::move(name), fields, unique).partial.document(present, exists);
  };
  add_partial(progress_name, "progress_completed_idx", "completedAt", {{"completedAt", 1}, {"_id", 1}});
  add_partial(progress_name, "progress_client_completed_idx", "completedAt",
              {{"clientKrn", 1}, {"completedAt", 1}, {"_id", 1}});
  add_partial(progress_name, "progress_deleted_idx", "deletedAt", {{"deletedAt", 1}});
  add_partial(events_name, "events_key_idx", "keys", {{"clientKrn", 1}, {"filename", 1}, {"keys", 1}}, true);
  add_partial(events_name, "events_due_idx", "due", {{"due", 1}});
  add_partial(events_name, "events_deleted_idx", "deletedAt", {{"deletedAt", 1}});
  add(events_name, "events_client_at_idx", {{"clientKrn", 1}, {"at", 1}, {"_id", 1}});
  add(events_name, "events_at_idx", {{"at", 1}});
  return out;
}

/// Keys as text, whatever the number types are.
std::string spelling_of_keys(const bson_iter_t& keys) {
  std::string out;
  each_member(keys, [&](std::string_view name, const bson_iter_t& direction) {
    out += fmt::format("{}:{};", name, bson_iter_as_int64(&direction));
  });
  return out;
}

std::string spelling_of_keys(const Bson& keys) {
  std::string out;
  each_member(keys.get(), [&](std::string_view name, const bson_iter_t& direction) {
    out += fmt::format("{}:{};", name, bson_iter_as_int64(&direction));
  });
  return out;
}

/// What must be alike besides the keys.
std::string spelling_of_options(bool unique, std::string_view partial, bool other) {
  return fmt::format("{} {} {}", unique, partial, other);
}

std::string json_of(const bson_t* document) {
  if (bson_empty(document)) return "";
  char* const text = bson_as_canonical_extended_json(document, nullptr);
  std::string out{text};
  bson_free(text);
  return out;
}

/// Keys → options of what is there.
Result<std::map<std::string, std::string>> present_indexes(mongoc_collection_t* collection) {
  std::map<std::string, std::string> out;
  const Cursor cursor{mongoc_collection_find_indexes_with_opts(collection, nullptr)};
  const bson_t* document = nullptr;
  while (mongoc_cursor_next(cursor.get(), &document)) {
    std::string keys, partial;
    bool unique = false, other = false;
    each_member(document, [&](std::string_view name, const bson_iter_t& member) {
      if (name == "key") keys = spelling_of_keys(member);
      if (name == "unique") unique = bson_iter_as_bool(&member);
      if (name == "sparse" || name == "expireAfterSeconds" || name == "collation") other = true;
      if (name == "partialFilterExpression" && BSON_ITER_HOLDS_DOCUMENT(&member)) {
        std::uint32_t size = 0;
        const std::uint8_t* bytes = nullptr;
        bson_iter_document(&member, &size, &bytes);
        bson_t filter;
        if (bson_init_static(&filter, bytes, size)) partial = json_of(&filter);
      }
    });
    out[keys] = spelling_of_options(unique, partial, other);
  }
  bson_error_t error;
  if (mongoc_cursor_error(cursor.get(), &error) && error.code != 26)  // NamespaceNotFound: none yet
    return std::unexpected{Fault::of(error, nullptr).to_error()};
  return out;
}

}  // namespace

Result<void> make_indexes(mongoc_client_t* client, const std::string& database) {
  std::map<std::string_view, std::map<std::string, std::string>> present;
  for (const auto name : {progress_name, events_name}) {
    const Collection collection{mongoc_client_get_collection(client, database.c_str(), std::string{name}.c_str())};
    PEBBLES_TRY(found, present_indexes(collection.get()));
    present[name] = found;
  }
  std::map<std::string_view, BsonArray> missing;
  for (const auto& index : wanted_indexes()) {
    const auto keys = spelling_of_keys(index.keys);
    const auto options = spelling_of_options(index.unique, json_of(index.partial.get()), false);
    const auto known = present[index.collection].find(keys);
    if (known != present[index.collection].end()) {
      if (known->second == options) continue;
      return failure(Errc::store_corrupt, fmt::format("MongoDB has an index of {} over {} with other options than {}",
                                                      index.collection, keys, index.name));
    }
    Bson description;
    description.document("key", index.keys).text("name", index.name);
    if (index.unique) description.boolean("unique", true);
    if (!bson_empty(index.partial.get())) description.document("partialFilterExpression", index.partial);
    missing[index.collection].add([&](Bson& array, std::string_view key) { array.document(key, description); });
  }
  for (const auto& [name, indexes] : missing) {
    Bson command;
    command.text("createIndexes", name).array("indexes", indexes.get());
    PEBBLES_TRY_VOID(run(client, database, command));
  }
  return {};
}

}  // namespace pebbles::store::mongo
