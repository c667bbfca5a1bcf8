#include "store/mongo/completed_files.hpp"

#include <algorithm>
#include <limits>

namespace pebbles::store::mongo {
namespace {

/// What one find looks at, at most, where clients are left out: that is judged here, since the index does not know
/// whose a file is, and a find that passes over all files of one client takes longer than the socket's time-out.
constexpr std::int64_t looked_at_max = 2'000;

/// Where the index has that document. An `_id` of another type, which no file of ours has, stands before all object ids
/// or behind them.
domain::FileId place_of(const bson_iter_t& id) {
  domain::FileId out{};
  switch (bson_iter_type(&id)) {
    case BSON_TYPE_OID: std::copy_n(bson_iter_oid(&id)->bytes, out.size(), out.begin()); break;
    case BSON_TYPE_BOOL:
    case BSON_TYPE_DATE_TIME:
    case BSON_TYPE_TIMESTAMP:
    case BSON_TYPE_MAXKEY: out.fill(std::numeric_limits<std::uint8_t>::max()); break;
    default: break;
  }
  return out;
}

struct Entry {
  CompletedFile file;
  bool is_ours = false;
};

Entry read_entry(const bson_t* document) {
  Entry out;
  auto& file = out.file;
  each_member(document, [&](std::string_view name, const bson_iter_t& member) {
    if (name == "_id") {
      out.is_ours = BSON_ITER_HOLDS_OID(&member);
      file.position.id = place_of(member);
    }
    if (name == "clientKrn") file.stream.client = domain::ClientKrn{std::string{text_of(member)}};
    if (name == "filename") file.stream.filename = domain::Filename{std::string{text_of(member)}};
    if (name == "completedAt" && BSON_ITER_HOLDS_DATE_TIME(&member))
      file.position.completed_at = Timestamp{std::chrono::milliseconds{bson_iter_date_time(&member)}};
  });
  return out;
}

/// Goes through the index in its order, from behind a place on.
class Walk {
 public:
  Walk(mongoc_collection_t* progress, const Clients& clients, Timestamp before,
       const std::optional<CompletedPosition>& after, std::size_t limit)
      : progress_{progress}, clients_{clients}, before_{before}, from_{after}, limit_{limit} {}

  Result<std::vector<CompletedFile>> run() {
    for (bool more = true; more && out_.size() < limit_;) {
      PEBBLES_TRY(full, take_page());
      more = full;
    }
    return std::move(out_);
  }

 private:
  /// True when there may be more behind it.
  Result<bool> take_page() {
    left_ = clients_.but.empty() ? static_cast<std::int64_t>(limit_ - out_.size()) : looked_at_max;
    if (from_) {  // the rest of those that were completed in the same moment
      if (from_->completed_at >= before_) return false;
      Bson behind, same;
      behind.object_id("$gt", from_->id);
      same.time("completedAt", from_->completed_at).document("_id", behind);
      PEBBLES_TRY_VOID(take(same));
      if (left_ == 0 || out_.size() == limit_) return true;
    }
    Bson range, later;
    if (from_) range.time("$gt", from_->completed_at);
    range.time("$lt", before_);
    later.document("completedAt", range);
    PEBBLES_TRY_VOID(take(later));
    return left_ == 0;
  }

  /// Takes what is meant of at most `left_` entries.
  Result<void> take(const Bson& which) {
    Bson filter{which.get()}, index, order, fields, options;
    if (clients_.only) {
      filter.text("clientKrn", **clients_.only);
      index.small("clientKrn", 1);
    }
    index.small("completedAt", 1).small("_id", 1);
    order.small("completedAt", 1).small("_id", 1);
    for (const std::string_view name : {"clientKrn", "filename", "completedAt"}) fields.small(name, 1);
    options.document("sort", order).document("hint", index).document("projection", fields).integer("limit", left_);
    return find(progress_, filter, options, [&](const bson_t* document) {
      --left_;
      auto entry = read_entry(document);
      from_ = entry.file.position;
      if (entry.is_ours && clients_.hold(entry.file.stream.client)) out_.push_back(std::move(entry.file));
      return out_.size() < limit_;
    });
  }

  mongoc_collection_t* progress_;
  const Clients& clients_;
  Timestamp before_;
  std::optional<CompletedPosition> from_;  ///< the last one that was looked at
  std::size_t limit_;
  std::int64_t left_ = 0;
  std::vector<CompletedFile> out_;
};

}  // namespace

Result<std::vector<CompletedFile>> find_completed(mongoc_collection_t* progress, const Clients& clients,
                                                  Timestamp before, const std::optional<CompletedPosition>& after,
                                                  std::size_t limit) {
  return Walk{progress, clients, before, after, limit}.run();
}

}  // namespace pebbles::store::mongo
