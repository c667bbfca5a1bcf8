#include "store/measured/measured_store.hpp"

#include <algorithm>
#include <chrono>

#include "telemetry/store_metrics.hpp"

namespace pebbles::store {
namespace {

using std::chrono::steady_clock;
using telemetry::StoreOperation;

/// Runs an operation that answers with a `Result`.
template <class Work>
auto timed(StoreOperation operation, Work&& work) {
  const auto began = steady_clock::now();
  auto result = work();
  telemetry::store_worked(operation, steady_clock::now() - began, !result.has_value());
  return result;
}

bool is_fault(AppendOutcome outcome) {
  return outcome == AppendOutcome::not_stored || outcome == AppendOutcome::unknown;
}

class MeasuredWriter final : public EventStore {
 public:
  explicit MeasuredWriter(std::unique_ptr<EventStore> store) : store_{std::move(store)} {}

  Result<std::vector<Loaded>> load(std::span<const StreamId> streams, LoadMode mode) override {
    return timed(StoreOperation::load, [&] { return store_->load(streams, mode); });
  }
  Result<std::vector<std::optional<domain::KeyHit>>> find_keys(std::span<const KeyQuery> queries) override {
    return timed(StoreOperation::find_keys, [&] { return store_->find_keys(queries); });
  }
  Result<std::vector<std::optional<Token>>> find_tokens(std::span<const ChunkQuery> queries) override {
    return timed(StoreOperation::find_tokens, [&] { return store_->find_tokens(queries); });
  }

  std::vector<AppendOutcome> commit(std::span<const Append> batch) override {
    const auto began = steady_clock::now();
    auto outcomes = store_->commit(batch);
    telemetry::store_worked(StoreOperation::commit, steady_clock::now() - began,
                            std::ranges::any_of(outcomes, is_fault));
    std::size_t events = 0;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      if (outcomes[i] != AppendOutcome::stored) continue;
      events += batch[i].chunk.events.size();
      bytes += batch[i].text.size();
    }
    telemetry::log_grew(events, bytes);
    return outcomes;
  }

  bool maintain(Load load) override {
    const auto began = steady_clock::now();
    const bool more = store_->maintain(load);
    telemetry::store_worked(StoreOperation::maintain, steady_clock::now() - began, false);
    return more;
  }

 private:
  std::unique_ptr<EventStore> store_;
};

class MeasuredReader final : public ProgressReader {
 public:
  explicit MeasuredReader(ProgressReader& reader) : reader_{reader} {}

  SnapshotPtr at_hand(const StreamId& stream) override { return reader_.at_hand(stream); }
  SnapshotPtr at_hand(const domain::ClientKrn& client, const domain::FileId& id) override {
    return reader_.at_hand(client, id);
  }
  Result<SnapshotPtr> by_filename(const StreamId& stream) override {
    return timed(StoreOperation::by_filename, [&] { return reader_.by_filename(stream); });
  }
  Result<SnapshotPtr> by_id(const domain::ClientKrn& client, const domain::FileId& id) override {
    return timed(StoreOperation::by_id, [&] { return reader_.by_id(client, id); });
  }
  Result<ListPage> list(const domain::ClientKrn& client, const ListQuery& query) override {
    return timed(StoreOperation::list, [&] { return reader_.list(client, query); });
  }
  Result<ClientSummary> summary(const domain::ClientKrn& client, Timestamp stalled_before) override {
    return timed(StoreOperation::summary, [&] { return reader_.summary(client, stalled_before); });
  }
  Result<EventPage> events(const StreamId& stream, Version after, const PageBounds& bounds) override {
    return timed(StoreOperation::events, [&] { return reader_.events(stream, after, bounds); });
  }
  Result<FeedPage> client_events(const domain::ClientKrn& client, const FeedQuery& query) override {
    return timed(StoreOperation::feed, [&] { return reader_.client_events(client, query); });
  }
  Result<std::int64_t> feed_end() override {
    return timed(StoreOperation::feed, [&] { return reader_.feed_end(); });
  }
  Result<TailPage> tail(TailCursor cursor, std::size_t limit) override {
    return timed(StoreOperation::tail, [&] { return reader_.tail(cursor, limit); });
  }
  Result<CursorKey> cursor_key() override { return reader_.cursor_key(); }
  Result<void> ping() override {
    return timed(StoreOperation::ping, [&] { return reader_.ping(); });
  }

 private:
  ProgressReader& reader_;
};

class MeasuredStore final : public Store {
 public:
  explicit MeasuredStore(std::unique_ptr<Store> store) : store_{std::move(store)}, reader_{store_->reader()} {}
  std::unique_ptr<EventStore> writer() override { return std::make_unique<MeasuredWriter>(store_->writer()); }
  ProgressReader& reader() override { return reader_; }
  Pruner& pruner() override { return store_->pruner(); }
  void on_upkeep(std::function<void()> wake) override { store_->on_upkeep(std::move(wake)); }
  StoreState state() const override { return store_->state(); }

 private:
  std::unique_ptr<Store> store_;
  MeasuredReader reader_;
};

}  // namespace

std::unique_ptr<Store> measured(std::unique_ptr<Store> store) {
  return std::make_unique<MeasuredStore>(std::move(store));
}

}  // namespace pebbles::store
