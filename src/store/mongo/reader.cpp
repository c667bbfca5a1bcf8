#include <algorithm>
#include <limits>
#include <tuple>

#include "store/mongo/documents.hpp"
#include "store/mongo/queries.hpp"
#include "store/mongo/shared.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::store::mongo {
namespace {

/// A list's order: newest first, ids break ties.
auto list_key(const Snapshot& snapshot) { return std::tie(snapshot.progress.updated_at, snapshot.progress.id); }
bool newer(const SnapshotPtr& a, const SnapshotPtr& b) { return list_key(*a) > list_key(*b); }

class Reader final : public ProgressReader {
 public:
  explicit Reader(std::shared_ptr<Shared> shared) : shared_{std::move(shared)} {}

  Result<SnapshotPtr> by_filename(const StreamId& stream) override {
    return with_client([&](const Lease& lease) -> Result<SnapshotPtr> {
      const auto progress = shared_->collection(lease, progress_name);
      PEBBLES_TRY(found, find_snapshots(progress.get(), std::span{&stream, 1}, shared_->read_prefs()));
      auto known = found.extract(stream);
      return newest(lease, stream, known.empty() ? nullptr : std::move(known.mapped()));
    });
  }

  Result<SnapshotPtr> by_id(const domain::ClientKrn& client, const domain::FileId& id) override {
    return with_client([&](const Lease& lease) -> Result<SnapshotPtr> {
      const auto progress = shared_->collection(lease, progress_name);
      Bson filter;
      filter.object_id("_id", id).text("clientKrn", *client);
      std::shared_ptr<Snapshot> found;
      PEBBLES_TRY_VOID(collect(progress.get(), filter, Bson{}, [&](std::shared_ptr<Snapshot> snapshot) {
        found = std::move(snapshot);
        return false;
      }));
      if (!found || !found->progress.exists()) return nullptr;
      const auto stream = found->stream;
      PEBBLES_TRY(now, newest(lease, stream, std::move(found)));
      return now && now->progress.id == id ? now : nullptr;  // its life may be over, and another one begun
    });
  }

  Result<ListPage> list(const domain::ClientKrn& client, const ListQuery& query) override {
    return with_client([&](const Lease& lease) -> Result<ListPage> {
      const auto progress = shared_->collection(lease, progress_name);
      ListPage page;
      PEBBLES_TRY_VOID(take_dated(progress.get(), client, query, page.records));
      PEBBLES_TRY_VOID(take_texts(progress.get(), client, query, page.records));
      const auto wanted = std::min(page.records.size(), query.limit + 1);
      std::ranges::partial_sort(page.records, page.records.begin() + static_cast<std::ptrdiff_t>(wanted), newer);
      page.more = wanted > query.limit;
      page.records.resize(std::min(wanted, query.limit));
      return page;
    });
  }

  Result<EventPage> events(const StreamId& stream, Version after, std::size_t limit) override {
    return with_client([&](const Lease& lease) -> Result<EventPage> {
      const auto events = shared_->collection(lease, events_name);
      PEBBLES_TRY(first, chunk_that_has(events.get(), stream, after + 1));
      EventPage page;
      std::optional<Error> bad;
      Bson order, options;
      order.small("_id", 1);
      options.document("sort", order);
      PEBBLES_TRY_VOID(find(events.get(), chunks_from(stream, first), options, [&](const bson_t* document) {
        auto stored = read_whole_chunk(document);
        if (!stored) {
          bad = stored.error();
          return false;
        }
        for (auto& event : stored->chunk.events) {
          if (event.version <= after) continue;  // or a baseline stands for it
          if (page.events.size() == limit) {
            page.more = true;
            return false;
          }
          after = event.version;
          page.events.push_back(std::move(event));
        }
        return true;
      }));
      if (bad) return std::unexpected{*std::move(bad)};
      return page;
    });
  }

  Result<TailPage> tail(TailCursor cursor, std::size_t limit) override {
    return with_client([&](const Lease& lease) -> Result<TailPage> {
      PEBBLES_TRY(horizon, shared_->horizon(lease));
      const auto from = static_cast<ServerTime>(cursor);
      TailPage page{.entries = {}, .next = cursor};
      Bson range, filter, order, options;
      append_time(range, "$gt", from);
      append_time(range, "$lte", horizon);
      filter.document("at", range);
      order.small("at", 1);
      options.document("sort", order).document("hint", order);
      const auto events = shared_->collection(lease, events_name);
      std::optional<Error> bad;
      PEBBLES_TRY_VOID(find(events.get(), filter, options, [&](const bson_t* document) {
        auto stored = read_whole_chunk(document);
        if (!stored) {
          bad = stored.error();
          return false;
        }
        // Chunks of one time stay on one page: a cursor names a time. Only shards can give one twice.
        const auto at = static_cast<TailCursor>(stored->at);
        if (page.entries.size() >= limit && at != page.next) return false;
        for (auto& event : stored->chunk.events) page.entries.push_back({stored->stream, std::move(event)});
        page.next = at;
        return true;
      }));
      if (bad) return std::unexpected{*std::move(bad)};
      return page;
    });
  }

  Result<void> ping() override {
    return with_client([&](const Lease& lease) -> Result<void> {
      PEBBLES_TRY_VOID(shared_->prepare(lease));
      constexpr std::chrono::seconds difference_max{30};
      if (std::chrono::abs(shared_->clock_difference()) > difference_max)
        return failure(Errc::store_unavailable, "this machine's clock is over 30 s off the database's");
      Bson command;
      command.small("ping", 1);
      PEBBLES_TRY_VOID(run(lease.get(), "admin", command));
      return {};
    });
  }

 private:
  template <class Work>
  auto with_client(Work&& work) -> std::invoke_result_t<Work&, const Lease&> {
    const auto lease = shared_->lease();
    if (!lease) return failure(Errc::store_unavailable, "MongoDB: no client is free");
    if (!shared_->is_prepared()) PEBBLES_TRY_VOID(shared_->prepare(lease));
    return work(lease);
  }

  /// The state of a file where its log is: the snapshot of a busy one follows a little later.
  Result<SnapshotPtr> newest(const Lease& lease, const StreamId& stream, std::shared_ptr<Snapshot> snapshot) {
    const auto events = shared_->collection(lease, events_name);
    PEBBLES_TRY_VOID(read_on(events.get(), stream, snapshot, shared_->read_prefs()));
    return snapshot && snapshot->progress.exists() ? shown(std::move(snapshot)) : nullptr;
  }

  /// What an API shows of a file of before the log is cut as the fold of a log would be.
  static std::shared_ptr<Snapshot> shown(std::shared_ptr<Snapshot> snapshot) {
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

  template <class Take>
  Result<void> collect(mongoc_collection_t* progress, const Bson& filter, const Bson& options, Take&& take) {
    std::optional<Error> bad;
    PEBBLES_TRY_VOID(find(
        progress, filter, options,
        [&](const bson_t* document) {
          auto read = read_snapshot(document);
          if (read) return take(std::move(read->snapshot));
          bad = read.error();
          return false;
        },
        shared_->read_prefs()));
    if (bad) return std::unexpected{*std::move(bad)};
    return {};
  }

  static Bson list_options(const ListQuery& query) {
    Bson order, index, out;
    order.small("updatedAt", -1).small("_id", -1);
    index.small("clientKrn", 1);
    if (query.owner) index.small("email", 1);
    index.small("updatedAt", -1).small("_id", -1);
    constexpr std::size_t some_more = 20;
    out.document("sort", order).document("hint", index);
    out.integer("batchSize", static_cast<std::int64_t>(query.limit + some_more));
    return out;
  }

  /// Documents as they are now: those of the cursor's time first, then those before it. Both are places in the index.
  Result<void> take_dated(mongoc_collection_t* progress, const domain::ClientKrn& client, const ListQuery& query,
                          std::vector<SnapshotPtr>& out) {
    const auto take = [&](std::shared_ptr<Snapshot> snapshot) {
      out.push_back(shown(std::move(snapshot)));
      return out.size() <= query.limit;
    };
    if (query.after) {
      Bson smaller, same = list_filter(client, query);
      smaller.object_id("$lt", query.after->id);
      same.time("updatedAt", query.after->updated_at).document("_id", smaller);
      PEBBLES_TRY_VOID(collect(progress, same, list_options(query), take));
      if (out.size() > query.limit) return {};
    }
    // Dates only: texts are another type.
    Bson before, filter = list_filter(client, query);
    if (query.after)
      before.time("$lt", query.after->updated_at);
    else
      before.time("$lte", Timestamp{std::chrono::milliseconds{std::numeric_limits<std::int64_t>::max()}});
    filter.document("updatedAt", before);
    return collect(progress, filter, list_options(query), take);
  }

  /// Documents whose times are still texts. Their order is that of time down to the second: the rest of the last second
  /// is taken too, and put in order by whoever asked.
  Result<void> take_texts(mongoc_collection_t* progress, const domain::ClientKrn& client, const ListQuery& query,
                          std::vector<SnapshotPtr>& out) {
    const auto second_of = [](Timestamp time) { return Timestamp{std::chrono::floor<std::chrono::seconds>(time)}; };
    Bson texts;
    if (query.after)
      texts.text("$lt", to_rfc3339(second_of(query.after->updated_at) + std::chrono::seconds{1})).text("$gte", "");
    else
      texts.text("$type", "string");
    Bson filter = list_filter(client, query);
    filter.document("updatedAt", texts);
    std::size_t taken = 0;
    std::optional<Timestamp> last;
    return collect(progress, filter, list_options(query), [&](std::shared_ptr<Snapshot> snapshot) {
      if (query.after && list_key(*snapshot) >= std::tie(query.after->updated_at, query.after->id)) return true;
      const Timestamp here = second_of(snapshot->progress.updated_at);
      if (taken > query.limit && last != here) return false;
      last = here;
      ++taken;
      out.push_back(shown(std::move(snapshot)));
      return true;
    });
  }

  static Bson list_filter(const domain::ClientKrn& client, const ListQuery& query) {
    Bson out;
    out.text("clientKrn", *client);
    if (query.owner) out.text("email", **query.owner);
    return out;
  }

  /// The first version of the chunk in which that version would be, or of the baseline that stands for it.
  static Result<Version> chunk_that_has(mongoc_collection_t* events, const StreamId& stream, Version version) {
    if (version <= 1) return 1;
    Bson range, filter = stream_filter(stream), order, fields, options;
    range.document("$gte", chunk_id(stream, 1)).document("$lte", chunk_id(stream, version));
    filter.document("_id", range);
    order.small("_id", -1);
    fields.small("_id", 1).small("format", 1);
    options.document("sort", order).document("projection", fields).integer("limit", 1);
    Version out = 1;
    PEBBLES_TRY_VOID(find(events, filter, options, [&](const bson_t* document) {
      if (const auto chunk = read_chunk(document)) out = chunk->chunk.first;
      return false;
    }));
    PEBBLES_TRY(cut, out > 1 ? find_cut(events, stream) : Result<std::optional<Cut>>{});
    return cut && version <= cut->version ? 1 : out;
  }

  std::shared_ptr<Shared> shared_;
};

}  // namespace

std::unique_ptr<ProgressReader> make_reader(std::shared_ptr<Shared> shared) {
  return std::make_unique<Reader>(std::move(shared));
}

}  // namespace pebbles::store::mongo
