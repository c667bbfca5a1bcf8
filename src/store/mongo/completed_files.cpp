#include "store/mongo/completed_files.hpp"

#include <algorithm>

namespace pebbles::store::mongo {
namespace {

Result<void> take_completed(mongoc_collection_t* progress, const Bson& which, const Clients& clients, std::size_t limit,
                            std::vector<CompletedFile>& out) {
  Bson filter{which.get()}, index, order, fields, options;
  if (clients.only) {
    filter.text("clientKrn", **clients.only);
    index.small("clientKrn", 1);
  } else if (!clients.but.empty()) {
    BsonArray others;
    for (const auto& client : clients.but)
      others.add([&](Bson& array, std::string_view key) { array.text(key, *client); });
    Bson none;
    none.array("$nin", others.get());
    filter.document("clientKrn", none);
  }
  index.small("completedAt", 1).small("_id", 1);
  order.small("completedAt", 1).small("_id", 1);
  for (const std::string_view name : {"clientKrn", "filename", "completedAt"}) fields.small(name, 1);
  options.document("sort", order).document("hint", index).document("projection", fields);
  options.integer("limit", static_cast<std::int64_t>(limit - out.size()));
  return find(progress, filter, options, [&](const bson_t* document) {
    auto& file = out.emplace_back();
    each_member(document, [&](std::string_view name, const bson_iter_t& member) {
      if (name == "_id" && BSON_ITER_HOLDS_OID(&member))
        std::copy_n(bson_iter_oid(&member)->bytes, file.position.id.size(), file.position.id.begin());
      if (name == "clientKrn") file.stream.client = domain::ClientKrn{std::string{text_of(member)}};
      if (name == "filename") file.stream.filename = domain::Filename{std::string{text_of(member)}};
      if (name == "completedAt" && BSON_ITER_HOLDS_DATE_TIME(&member))
        file.position.completed_at = Timestamp{std::chrono::milliseconds{bson_iter_date_time(&member)}};
    });
    return true;
  });
}

}  // namespace

Result<std::vector<CompletedFile>> find_completed(mongoc_collection_t* progress, const Clients& clients,
                                                  Timestamp before, const std::optional<CompletedPosition>& after,
                                                  std::size_t limit) {
  std::vector<CompletedFile> out;
  if (after) {
    Bson behind, same;
    behind.object_id("$gt", after->id);
    same.time("completedAt", after->completed_at).document("_id", behind);
    if (after->completed_at < before) PEBBLES_TRY_VOID(take_completed(progress, same, clients, limit, out));
  }
  if (out.size() == limit) return out;
  Bson range, filter;
  if (after) range.time("$gt", after->completed_at);
  range.time("$lt", before);
  filter.document("completedAt", range);
  PEBBLES_TRY_VOID(take_completed(progress, filter, clients, limit, out));
  return out;
}

}  // namespace pebbles::store::mongo
