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
      if (!found) return nullptr;
      const auto stream = found->stream;
      return newest(lease, stream, std::move(found));
    });
  }

  Result<ListPage> list(const domain::ClientKrn& client, const ListQuery& query) override {
    return with_client(
        [&](const Lease& lease) -> Result<ListPage> { return list_page(*shared_, lease, client, query); });
  }

  Result<ClientSummary> summary(const domain::ClientKrn& client, Timestamp stalled_before) override {
    return with_client([&](const Lease& lease) { return summaries_.summary(lease, client, stalled_before); });
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
          if (event.version <= after) continue;
          if (page.events.size() == limit) {
            page.more = true;
            return false;
          }
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
    return snapshot ? shown(std::move(snapshot)) : nullptr;
  }

  /// The first version of the chunk in which that version would be.
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
    return out;
  }

  std::shared_ptr<Shared> shared_;
  Summaries summaries_{shared_};
};

}  // namespace

std::unique_ptr<ProgressReader> make_reader(std::shared_ptr<Shared> shared) {
  return std::make_unique<Reader>(std::move(shared));
}

}  // namespace pebbles::store::mongo
