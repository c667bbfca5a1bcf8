#include "ingest/committer.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace pebbles::ingest {
namespace {

/// Whose loads all fail, each after so long.
class FailingStore final : public store::EventStore {
 public:
  FailingStore(std::chrono::milliseconds takes, Errc code) : takes_{takes}, code_{code} {}
  Result<std::vector<store::Loaded>> load(std::span<const store::StreamId>, store::LoadMode) override {
    ++loads;
    std::this_thread::sleep_for(takes_);
    return failure(code_, "away");
  }
  Result<std::vector<std::optional<domain::KeyHit>>> find_keys(std::span<const store::KeyQuery> queries) override {
    return std::vector<std::optional<domain::KeyHit>>(queries.size());
  }
  Result<std::vector<std::optional<store::Token>>> find_tokens(std::span<const store::ChunkQuery> queries) override {
    return std::vector<std::optional<store::Token>>(queries.size());
  }
  std::vector<store::AppendOutcome> commit(std::span<const store::Append> batch) override {
    return std::vector(batch.size(), store::AppendOutcome::not_stored);
  }
  bool maintain(store::Load) override { return false; }

  int loads = 0;

 private:
  std::chrono::milliseconds takes_;
  Errc code_;
};

class Told final : public AckSink {
 public:
  void settle(std::vector<Settlement> settlements) override {
    for (const auto& settlement : settlements) retries += std::holds_alternative<Retry>(settlement.outcome) ? 1 : 0;
  }
  int retries = 0;
};

/// How often it asks a store that fails so, for a batch of ten files; each of them is to be tried again.
int loads_for_ten_files(std::chrono::milliseconds takes, Errc code) {
  FailingStore store{takes, code};
  Told told;
  std::vector<Pending> batch;
  for (std::uint64_t i = 0; i < 10; ++i)
    batch.push_back({.stream = {domain::ClientKrn{"krn:a"}, domain::Filename{std::to_string(i)}},
                     .command = domain::Report{},
                     .ack = {told, i}});
  Committer committer{store, {.writer = 1}};
  committer.process(std::move(batch));
  EXPECT_EQ(told.retries, 10);
  return store.loads;
}

TEST(Committer, OneStreamThatCannotBeReadDoesNotStopTheOthers) {
  EXPECT_EQ(loads_for_ten_files(std::chrono::milliseconds{0}, Errc::store_corrupt), 11);
  EXPECT_EQ(loads_for_ten_files(std::chrono::milliseconds{0}, Errc::store_unavailable), 11);
}

TEST(Committer, AStoreThatIsAwayIsNotWaitedForByEachStream) {
  EXPECT_EQ(loads_for_ten_files(std::chrono::milliseconds{600}, Errc::store_unavailable), 2);
}

}  // namespace
}  // namespace pebbles::ingest
