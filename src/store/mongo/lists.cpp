#include "store/mongo/lists.hpp"

#include <algorithm>
#include <limits>

#include "store/mongo/queries.hpp"
#include "telemetry/unreadable.hpp"

namespace pebbles::store::mongo {
namespace {

constexpr Timestamp first_time{std::chrono::milliseconds{std::numeric_limits<std::int64_t>::min()}};
constexpr Timestamp last_time{std::chrono::milliseconds{std::numeric_limits<std::int64_t>::max()}};

domain::FileId id_of(std::uint8_t byte) {
  domain::FileId out;
  out.fill(byte);
  return out;
}

/// The index that has a query's order, and what part of it the list is: between two keys, in the order of the list. The
/// server takes keys in the order of the index, the first inclusive and the last exclusive, and walks either way.
class Range {
 public:
  Range(const domain::ClientKrn& client, const ListQuery& query) : client_{client}, query_{query} {
    switch (query.sort.by) {
      case ListOrder::updated: set_times(); break;
      case ListOrder::created: set_ids(); break;
      case ListOrder::filename: set_names(); break;
    }
  }

  [[nodiscard]] bool is_empty() const { return empty_; }

  /// What a find of it needs: bounds, hint and order.
  [[nodiscard]] Bson options() const {
    Bson index, order, out;
    index.small("clientKrn", 1);
    const int direction = is_forward() ? 1 : -1;
    switch (query_.sort.by) {
      case ListOrder::updated:
        if (query_.owner) index.small("email", 1);
        index.small("updatedAt", -1).small("_id", -1);
        order.small("updatedAt", -direction).small("_id", -direction);
        break;
      case ListOrder::created:
        index.small("_id", 1);
        order.small("_id", direction);
        break;
      case ListOrder::filename:
        index.small("filename", 1).small("email", 1);
        order.small("filename", direction).small("email", direction);
        break;
    }
    out.document("hint", index).document("sort", order);
    out.document("min", is_forward() ? start_ : stop_).document("max", is_forward() ? stop_ : start_);
    return out;
  }

  /// Asks for the last entry that may be looked at, and the one behind it, by the index alone.
  [[nodiscard]] Bson end_options() const {
    Bson out = options(), fields;
    switch (query_.sort.by) {
      case ListOrder::updated: fields.small("updatedAt", 1); break;
      case ListOrder::created: fields.small("_id", 1); break;
      case ListOrder::filename: fields.small("_id", 0).small("filename", 1); break;
    }
    out.document("projection", fields);
    // The entry that the page starts behind is in the range where that begins at it.
    const bool has_after = query_.after && (is_forward() || query_.sort.by == ListOrder::filename);
    out.integer("skip", static_cast<std::int64_t>(query_.examined_max) - (has_after ? 0 : 1)).integer("limit", 2);
    return out;
  }

  /// It ends between two neighbours.
  void end_between(const ListPosition& last, const ListPosition& next) {
    if (query_.sort.by == ListOrder::filename)  // with all owners of that name
      stop_ = name_key(last.filename, is_forward());
    else
      stop_ = key_of(is_forward() ? next : last);
  }

  /// As an index entry tells it. Its id is the last one of a name, where the index does not have ids.
  [[nodiscard]] ListPosition position_of(const bson_t* entry) const {
    ListPosition out;
    if (query_.sort.by == ListOrder::filename) out.id = id_of(query_.sort.descending ? 0 : 0xff);
    each_member(entry, [&](std::string_view name, const bson_iter_t& member) {
      if (name == "updatedAt" && BSON_ITER_HOLDS_DATE_TIME(&member))
        out.updated_at = Timestamp{std::chrono::milliseconds{bson_iter_date_time(&member)}};
      if (name == "_id" && BSON_ITER_HOLDS_OID(&member))
        std::copy_n(bson_iter_oid(&member)->bytes, out.id.size(), out.id.begin());
      if (name == "filename") out.filename = domain::Filename{std::string{text_of(member)}};
    });
    return out;
  }

 private:
  [[nodiscard]] bool is_forward() const { return query_.sort.descending == (query_.sort.by == ListOrder::updated); }

  [[nodiscard]] Bson prefix() const {
    Bson out;
    out.text("clientKrn", *client_);
    if (query_.owner && query_.sort.by == ListOrder::updated) out.text("email", **query_.owner);
    return out;
  }
  [[nodiscard]] Bson time_key(Timestamp time, bool greatest_id) const {
    Bson out = prefix();
    out.time("updatedAt", time);
    return std::move(greatest_id ? out.max_key("_id") : out.min_key("_id"));
  }
  [[nodiscard]] Bson name_key(const domain::Filename& name, bool greatest_owner) const {
    Bson out = prefix();
    out.text("filename", *name);
    return std::move(greatest_owner ? out.max_key("email") : out.min_key("email"));
  }
  [[nodiscard]] Bson key_of(const ListPosition& position) const {
    Bson out = prefix();
    if (query_.sort.by == ListOrder::updated) out.time("updatedAt", position.updated_at);
    return std::move(out.object_id("_id", position.id));
  }

  /// Dates alone: texts are another type.
  void set_times() {
    const auto floor = updated_floor(query_);
    const auto& after = query_.after;
    auto bottom = floor ? time_key(*floor, true) : time_key(first_time, false);
    auto top = time_key(last_time, true);
    const bool is_below_floor = floor && after && after->updated_at <= *floor;
    empty_ = query_.sort.descending && is_below_floor;
    start_ = std::move(query_.sort.descending ? top : bottom);
    stop_ = std::move(query_.sort.descending ? bottom : top);
    if (after && !is_below_floor) start_ = key_of(*after);
  }

  void set_ids() {
    const auto floor = id_floor(query_);
    const auto& after = query_.after;
    Bson bottom = prefix(), top = prefix();
    if (floor)
      bottom.object_id("_id", *floor);
    else
      bottom.min_key("_id");
    top.max_key("_id");
    const bool is_below_floor = floor && after && after->id <= *floor;
    empty_ = query_.sort.descending && is_below_floor;
    start_ = std::move(query_.sort.descending ? top : bottom);
    stop_ = std::move(query_.sort.descending ? bottom : top);
    if (after && !is_below_floor) start_ = key_of(*after);
  }

  void set_names() {
    const auto& after = query_.after;
    const bool descending = query_.sort.descending;
    auto bottom = name_key(domain::Filename{query_.filename_prefix}, false);
    auto top = prefix();
    if (const auto end = prefix_end(query_.filename_prefix)) {
      top = name_key(domain::Filename{*end}, false);
      empty_ = after && *after->filename >= *end;
    } else {
      top.max_key("filename").max_key("email");
    }
    start_ = std::move(descending ? top : bottom);
    stop_ = std::move(descending ? bottom : top);
    if (after) start_ = name_key(after->filename, descending);
  }

  const domain::ClientKrn& client_;
  const ListQuery& query_;
  Bson start_;
  Bson stop_;
  bool empty_ = false;
};

Bson above(std::int32_t number) {
  Bson out;
  out.small("$gt", number);
  return out;
}

/// [{count: > 0}, {rows: > 0}, {list not empty}]: the earlier service kept no counts.
BsonArray any_items(std::string_view count, std::string_view rows, std::string_view first) {
  Bson counted, failed, listed, there;
  counted.document(count, above(0));
  failed.document(rows, above(0));
  there.boolean("$exists", true);
  listed.document(first, there);
  auto out = both_in_array(counted, failed);
  out.add([&](Bson& array, std::string_view key) { array.document(key, listed); });
  return out;
}

void append_status(Bson& filter, const ListQuery& query) {
  Bson not_completed;
  not_completed.boolean("$ne", true);
  switch (*query.status) {
    case ListStatus::running: filter.document("isCompleted", not_completed); break;
    case ListStatus::completed: filter.boolean("isCompleted", true); break;
    case ListStatus::with_errors:
      filter.array("$or", any_items("errorCount", "counts.failed", "errors.0").get());
      break;
    case ListStatus::with_warnings:
      filter.array("$or", any_items("warningCount", "counts.warn", "warnings.0").get());
      break;
    case ListStatus::stalled: filter.document("isCompleted", not_completed); break;
  }
}

/// What it leaves out, `matches` would leave out too; where times may be texts, that decides.
Bson filter_of(const domain::ClientKrn& client, const ListQuery& query) {
  Bson out;
  out.text("clientKrn", *client);
  if (query.owner) out.text("email", **query.owner);
  if (query.status) append_status(out, query);
  if (!query.filename_prefix.empty()) {
    Bson names;
    names.text("$gte", query.filename_prefix);
    if (const auto end = prefix_end(query.filename_prefix)) names.text("$lt", *end);
    out.document("filename", names);
  }
  BsonArray times;
  const auto add_time = [&](std::string_view name, std::string_view relation, Timestamp time) {
    Bson range, dated, text, of_text;
    range.time(relation, time);
    dated.document(name, range);
    of_text.text("$type", "string");
    text.document(name, of_text);
    Bson either;
    either.array("$or", both_in_array(dated, text).get());
    times.add([&](Bson& array, std::string_view key) { array.document(key, either); });
  };
  if (query.created_after) add_time("createdAt", "$gt", *query.created_after);
  if (query.updated_after) add_time("updatedAt", "$gt", *query.updated_after);
  if (query.status == ListStatus::stalled) add_time("updatedAt", "$lt", query.stalled_before);
  if (!times.empty()) out.array("$and", times.get());
  return out;
}

/// One page in the making.
class Page {
 public:
  Page(Shared& shared, const Lease& lease, const domain::ClientKrn& client, const ListQuery& query)
      : shared_{shared}, progress_{shared.collection(lease, progress_name)}, client_{client}, query_{query} {}

  Result<ListPage> make() {
    PEBBLES_TRY_VOID(take_range());
    bytes_ = 0;
    if (query_.sort.by == ListOrder::updated) PEBBLES_TRY_VOID(take_texts());
    if (end_)
      std::erase_if(found_, [&](const SnapshotPtr& f) { return stands_before(query_.sort, *end_, place_of(*f)); });
    return make_page(query_, std::move(found_), std::move(end_));
  }

 private:
  [[nodiscard]] ListPosition place_of(const Snapshot& snapshot) const {
    return store::position_of(query_.sort.by, snapshot);
  }
  [[nodiscard]] bool is_wanted(const Snapshot& snapshot) const {
    return snapshot.progress.exists() && matches(query_, facts_of(snapshot)) &&
           (!query_.after || stands_before(query_.sort, *query_.after, place_of(snapshot)));
  }
  void end_at(ListPosition position) {
    if (!end_ || stands_before(query_.sort, position, *end_)) end_ = std::move(position);
  }

  Result<void> take_range() {
    Range range{client_, query_};
    if (range.is_empty()) return {};
    // Found first, so that the bounds hold it to that: what a filter passes may be far.
    if (query_.is_filtered()) PEBBLES_TRY_VOID(find_end(range));
    auto options = range.options();
    constexpr std::size_t some_more = 20;
    options.integer("batchSize", static_cast<std::int64_t>(query_.limit + some_more));
    std::size_t taken = 0;
    return collect(filter_of(client_, query_), options, [&](std::shared_ptr<Snapshot> snapshot) {
      if (!is_wanted(*snapshot)) return true;
      if (is_full()) return false;
      keep(std::move(snapshot));
      return ++taken <= query_.limit;
    });
  }

  /// The bounds name the client: a filter, even of what the index has, would have the documents read.
  Result<void> find_end(Range& range) {
    std::vector<ListPosition> around;
    PEBBLES_TRY_VOID(find(
        progress_.get(), Bson{}, range.end_options(),
        [&](const bson_t* entry) {
          around.push_back(range.position_of(entry));
          return true;
        },
        shared_.read_prefs()));
    if (around.size() < 2) return {};
    range.end_between(around[0], around[1]);
    end_at(around[0]);
    return {};
  }

  /// Documents whose times are still texts. Their order is that of time down to the second: the rest of the last second
  /// is taken too.
  Result<void> take_texts() {
    using std::chrono::seconds;
    const auto second_of = [](Timestamp time) { return Timestamp{std::chrono::floor<seconds>(time)}; };
    const bool descending = query_.sort.descending;
    Bson texts, filter, order, index, options;
    if (!query_.after) {
      texts.text("$type", "string");
    } else if (descending) {
      texts.text("$lt", to_rfc3339(second_of(query_.after->updated_at) + seconds{1})).text("$gte", "");
    } else {
      texts.text("$gte", to_rfc3339(second_of(query_.after->updated_at)));
    }
    filter.text("clientKrn", *client_);
    index.small("clientKrn", 1);
    if (query_.owner) {
      filter.text("email", **query_.owner);
      index.small("email", 1);
    }
    filter.document("updatedAt", texts);
    order.small("updatedAt", descending ? -1 : 1).small("_id", descending ? -1 : 1);
    index.small("updatedAt", -1).small("_id", -1);
    options.document("sort", order).document("hint", index);
    std::size_t examined = 0, taken = 0;
    std::optional<Timestamp> last;
    return collect(filter, options, [&](std::shared_ptr<Snapshot> snapshot) {
      const Timestamp here = second_of(snapshot->progress.updated_at);
      if (last && last != here) {
        if (taken > query_.limit) return false;
        if (examined >= query_.examined_max) {
          end_at(descending ? ListPosition{.updated_at = *last, .id = {}}
                            : ListPosition{.updated_at = *last + seconds{1} - std::chrono::milliseconds{1},
                                           .id = id_of(0xff)});
          return false;
        }
      }
      last = here;
      ++examined;
      if (!is_wanted(*snapshot)) return true;
      if (is_full()) return false;
      ++taken;
      keep(std::move(snapshot));
      return true;
    });
  }

  /// Where the bytes are reached the page ends with the last record that was kept: what follows it is for the next.
  [[nodiscard]] bool is_full() {
    if (bytes_ < query_.bytes_max) return false;
    end_at(place_of(*found_.back()));
    return true;
  }
  void keep(std::shared_ptr<Snapshot> snapshot) {
    found_.push_back(shown(std::move(snapshot)));
    bytes_ += bytes_of(*found_.back());
  }

  template <class Take>
  Result<void> collect(const Bson& filter, const Bson& options, Take&& take) {
    return find(
        progress_.get(), filter, options,
        [&](const bson_t* document) {
          auto read = read_snapshot(document);
          if (read) return static_cast<bool>(take(std::move(read->snapshot)));
          // It is left out, and the others are shown.
          telemetry::record_unreadable(*client_, *stream_in(document).filename, read.error().detail);
          return true;
        },
        shared_.read_prefs());
  }

  Shared& shared_;
  Collection progress_;
  const domain::ClientKrn& client_;
  const ListQuery& query_;
  std::vector<SnapshotPtr> found_;
  std::size_t bytes_ = 0;
  std::optional<ListPosition> end_;
};

}  // namespace

Result<ListPage> list_page(Shared& shared, const Lease& lease, const domain::ClientKrn& client,
                           const ListQuery& query) {
  return Page{shared, lease, client, query}.make();
}

std::shared_ptr<Snapshot> shown(std::shared_ptr<Snapshot> snapshot) {
  if (snapshot->progress.is_before_log()) {
    for (auto* kept : {&snapshot->progress.errors, &snapshot->progress.warnings}) {
      domain::KeptItems cut;
      cut.add(kept->first);
      cut.count = kept->count;
      *kept = std::move(cut);
    }
  }
  return snapshot;
}

}  // namespace pebbles::store::mongo
