#include <algorithm>

#include "store/event_page.hpp"
#include "store/mongo/documents.hpp"
#include "store/mongo/lists.hpp"
#include "store/mongo/queries.hpp"
#include "store/mongo/summaries.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::store::mongo {
namespace {

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
      PEBBLES_TRY_VOID(collect_snapshots(progress.get(), filter, Bson{}, shared_->read_prefs(),
                                         [&](std::shared_ptr<Snapshot> snapshot) {
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
    return with_client(
        [&](const Lease& lease) -> Result<ListPage> { return list_page(*shared_, lease, client, query); });
  }

  Result<ClientSummary> summary(const domain::ClientKrn& client, Timestamp stalled_before) override {
    return with_client([&](const Lease& lease) { return summaries_.summary(lease, client, stalled_before); });
  }

  Result<EventPage> events(const StreamId& stream, Version after, const PageBounds& bounds) override {
    return with_client([&](const Lease& lease) -> Result<EventPage> {
      const auto events = shared_->collection(lease, events_name);
      PEBBLES_TRY(first, chunk_that_has(events.get(), stream, after + 1));
      EventPageMaker page{after, bounds};
      Bson order;
      order.small("_id", 1);
      PEBBLES_TRY_VOID(each_chunk(events.get(), chunks_from(stream, first), {Bson{order.get()}, Bson{order.get()}},
                                  [&](const StoredChunk& stored) { return page.add(stored.text); }));
      return page.finish();
    });
  }

  Result<FeedPage> client_events(const domain::ClientKrn& client, const FeedQuery& query) override {
    return with_client([&](const Lease& lease) -> Result<FeedPage> {
      const auto events = shared_->collection(lease, events_name);
      FeedPageMaker page{query};
      // Who has read everything costs no horizon: there is nothing that it could let through.
      PEBBLES_TRY(next, edge_of_feed(events.get(), client, query.after, 1));
      if (!next) return std::move(page).finish(false);
      const auto until = static_cast<ServerTime>(query.until.value_or(INT64_MAX));
      PEBBLES_TRY(newest, edge_of_feed(events.get(), client, query.after, -1));
      PEBBLES_TRY(horizon, shared_->horizon_beyond(lease, std::min(newest.value_or(*next), until)));
      const auto last = std::min(horizon, until);
      if (*next > last) return std::move(page).finish(false);
      PEBBLES_TRY_VOID(each_chunk(
          events.get(), feed_filter(client, query.after, last), feed_order(), [&](const StoredChunk& stored) {
            const auto place = static_cast<std::int64_t>(stored.at);
            // Of a deleted file whose contents were erased the deletion is left.
            return stored.events == 0 ? page.add_last(place, stored.stream.filename, stored.text)
                                      : page.add(place, stored.stream.filename, stored.text);
          }));
      return std::move(page).finish(false);
    });
  }

  Result<std::int64_t> feed_end() override {
    return with_client([&](const Lease& lease) -> Result<std::int64_t> {
      PEBBLES_TRY(horizon, shared_->horizon_beyond(lease, std::numeric_limits<ServerTime>::max()));
      return static_cast<std::int64_t>(horizon);
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

  Result<CursorKey> cursor_key() override {
    if (const auto key = shared_->cursor_key()) return *key;
    return failure(Errc::store_unavailable, "MongoDB: no server has answered yet");
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

  struct Order {
    Bson sort;
    Bson index;  ///< which gives it
  };

  /// Calls `take` with each chunk, not decoded, until it says false. Replies are kept near a mebibyte, whatever chunks
  /// weigh: one at first, which a page may be content with, and then as many as those before have weighed.
  template <class Take>
  static Result<void> each_chunk(mongoc_collection_t* events, const Bson& filter, const Order& order, Take&& take) {
    constexpr std::size_t reply_bytes = 1UL << 20U;
    Bson options;
    options.document("sort", order.sort).document("hint", order.index).integer("batchSize", 1);
    Found found{events, filter, options, nullptr};
    std::size_t documents = 0, bytes = 0;
    while (const bson_t* document = found.next()) {
      bytes += document->len;
      const auto batch = std::clamp<std::size_t>(reply_bytes * ++documents / bytes, 1, 4'000);
      found.set_batch_size(static_cast<std::uint32_t>(batch));
      PEBBLES_TRY(stored, read_chunk(document));
      if (!take(stored)) return {};
    }
    return found.end();
  }

  static Order feed_order(std::int32_t direction = 1) {
    Order out;
    out.sort.small("at", direction).small("_id", direction);
    out.index.small("clientKrn", 1).small("at", 1).small("_id", 1);
    return out;
  }

  static Bson feed_filter(const domain::ClientKrn& client, const FeedPosition& after, std::optional<ServerTime> last) {
    Bson range, out;
    append_time(range, after.given > 0 ? "$gte" : "$gt", static_cast<ServerTime>(after.place));
    if (last) append_time(range, "$lte", *last);
    out.text("clientKrn", *client).document("at", range);
    return out;
  }

  /// When the next chunk of a client behind that place was written, or, with -1, the newest; whether it may be shown
  /// yet or not.
  static Result<std::optional<ServerTime>> edge_of_feed(mongoc_collection_t* events, const domain::ClientKrn& client,
                                                        const FeedPosition& after, std::int32_t direction) {
    const auto order = feed_order(direction);
    Bson fields, options;
    fields.small("_id", 0).small("at", 1);  // the index has them
    options.document("sort", order.sort).document("hint", order.index).document("projection", fields);
    options.integer("limit", 1);
    std::optional<ServerTime> out;
    PEBBLES_TRY_VOID(find(events, feed_filter(client, after, std::nullopt), options, [&](const bson_t* document) {
      out = time_in(document, "at");
      return false;
    }));
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
  Summaries summaries_{shared_};
};

}  // namespace

std::unique_ptr<ProgressReader> make_reader(std::shared_ptr<Shared> shared) {
  return std::make_unique<Reader>(std::move(shared));
}

}  // namespace pebbles::store::mongo
