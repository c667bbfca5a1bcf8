#include "ingest/committer.hpp"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "support/events.hpp"
#include "support/memory_store.hpp"

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

/// One of whose files has a record that cannot be read, or keys that cannot be looked up.
class PoisonedStore final : public store::EventStore {
 public:
  Result<std::vector<store::Loaded>> load(std::span<const store::StreamId> streams, store::LoadMode) override {
    std::vector<store::Loaded> out;
    for (const auto& stream : streams) {
      auto& loaded = out.emplace_back();
      if (*stream.filename == "poison") loaded.unreadable = "`email` is missing";
      if (*stream.filename != "bad keys") continue;
      auto known = std::make_shared<store::Snapshot>();
      known->stream = stream;
      known->progress.version = 1;
      loaded.snapshot = known;
    }
    return out;
  }
  Result<std::vector<std::optional<domain::KeyHit>>> find_keys(std::span<const store::KeyQuery> queries) override {
    for (const auto& query : queries)
      if (*query.stream.filename == "bad keys") return failure(Errc::store_corrupt, "an event is not JSON");
    return std::vector<std::optional<domain::KeyHit>>(queries.size());
  }
  Result<std::vector<std::optional<store::Token>>> find_tokens(std::span<const store::ChunkQuery> queries) override {
    return std::vector<std::optional<store::Token>>(queries.size());
  }
  std::vector<store::AppendOutcome> commit(std::span<const store::Append> batch) override {
    return std::vector(batch.size(), store::AppendOutcome::stored);
  }
  bool maintain(store::Load) override { return false; }
};

class AllTold final : public AckSink {
 public:
  void settle(std::vector<Settlement> settlements) override {
    for (auto& settlement : settlements) outcomes[settlement.ticket] = std::move(settlement.outcome);
  }
  std::map<std::uint64_t, Outcome> outcomes;
};

Pending report_of(const char* filename, AckSink& sink, std::uint64_t ticket, EpochPtr epoch = {}) {
  domain::EventKey key;
  key.hash.fill(static_cast<std::uint8_t>(ticket));
  auto command = support::report({}, support::file_id(ticket));
  command.key = key;
  return {.stream = {domain::ClientKrn{"krn:a"}, domain::Filename{filename}},
          .command = std::move(command),
          .ack = {sink, ticket},
          .epoch = std::move(epoch)};
}

TEST(Committer, ARecordThatCannotBeReadIsRefusedForGoodAndBlocksNobody) {
  PoisonedStore store;
  AllTold told;
  Committer committer{store, {.writer = 1}};
  const auto epoch = std::make_shared<Epoch>();
  std::vector<Pending> batch;
  for (const auto* filename : {"poison", "good", "bad keys"}) {
    batch.push_back(report_of(filename, told, batch.size()));
    batch.push_back(report_of(filename, told, batch.size(), epoch));
  }
  committer.process(std::move(batch));
  ASSERT_EQ(told.outcomes.size(), 6U);
  for (const std::uint64_t ticket : {0, 1, 4, 5}) {
    const auto* const refused = std::get_if<Unstorable>(&told.outcomes[ticket]);
    ASSERT_NE(refused, nullptr) << ticket;
    EXPECT_TRUE(refused->unreadable.starts_with("the stored record of krn:a / ")) << refused->unreadable;
    EXPECT_EQ(refused->gate != nullptr, ticket % 2 == 1) << "a dead letter opens it";
  }
  for (const std::uint64_t ticket : {2, 3}) EXPECT_TRUE(std::holds_alternative<Applied>(told.outcomes[ticket]));

  // What comes behind the dead letter waits for it, and then becomes one too: nothing is left in the committer.
  batch = std::vector<Pending>{};
  batch.push_back(report_of("poison", told, 6, epoch));
  batch.push_back(report_of("good", told, 7, epoch));
  committer.process(std::move(batch));
  EXPECT_FALSE(told.outcomes.contains(6));
  EXPECT_TRUE(std::holds_alternative<Applied>(told.outcomes[7]));
  std::get<Unstorable>(told.outcomes[1]).gate->pass();
  std::get<Unstorable>(told.outcomes[5]).gate->pass();
  ASSERT_TRUE(committer.can_proceed());
  committer.process({});
  EXPECT_TRUE(std::holds_alternative<Unstorable>(told.outcomes[6]));
  EXPECT_EQ(committer.unsettled(), 0U);
}

/// Two instances on one log: what either is told of a file.
class TwoInstances : public testing::Test, public AckSink {
 protected:
  void settle(std::vector<Settlement> settlements) override {
    for (auto& settlement : settlements) last = std::move(settlement.outcome);
  }
  Outcome report(Committer& at, support::Told told) {
    return process(at, support::report(told, support::file_id(++ids)));
  }
  Outcome remove(Committer& at, const domain::FileId& id, const char* by = "ann@example.com") {
    return process(at, domain::Delete{.id = id, .at = support::t0, .by = domain::Email{by}});
  }
  Outcome process(Committer& at, domain::Command command) {
    std::vector<Pending> batch;
    batch.push_back({.stream = file, .command = std::move(command), .ack = {*this, 1}});
    at.process(std::move(batch));
    return last;
  }
  static bool is_applied(const Outcome& outcome) { return std::holds_alternative<Applied>(outcome); }
  static std::optional<domain::Rejection> refused(const Outcome& outcome) {
    const auto* const refusal = std::get_if<Refused>(&outcome);
    return refusal != nullptr ? std::optional{refusal->why} : std::nullopt;
  }

  const domain::StreamId file = support::stream_id("krn:a", "a.csv");
  std::uint64_t ids = 0;
  Outcome last;
  support::MemoryLog log;
  support::MemoryStore first_store{log}, second_store{log};
  Committer first{first_store, {.writer = 1}}, second{second_store, {.writer = 2}};
};

TEST_F(TwoInstances, ACompletedFileThatBeganAgainElsewhereTakesUpdates) {
  ASSERT_TRUE(is_applied(report(first, {.is_last = true})));
  EXPECT_EQ(refused(report(first, {})), domain::Rejection::already_completed);
  ASSERT_TRUE(is_applied(remove(second, support::file_id(1))));
  EXPECT_TRUE(is_applied(report(first, {}))) << "the first of a new life";
  EXPECT_TRUE(is_applied(report(second, {.is_last = true})));
  EXPECT_EQ(refused(report(first, {})), domain::Rejection::already_completed);
}

TEST_F(TwoInstances, APreconditionIsJudgedByTheStateThatIsCommittedTo) {
  const auto report_if = [this](Committer& at, domain::Version version) {
    auto command = support::report({}, support::file_id(++ids));
    const domain::TagList known{.any = false, .tags = {{.id = support::file_id(1), .version = version}}};
    command.only_if =
        std::make_shared<domain::Precondition>(domain::Precondition{.if_match = known, .if_none_match = {}});
    return process(at, std::move(command));
  };
  ASSERT_TRUE(is_applied(report(first, {})));
  ASSERT_TRUE(is_applied(report(second, {})));
  EXPECT_TRUE(is_applied(report_if(first, 2))) << "what it remembers is old";
  EXPECT_EQ(refused(report_if(second, 2)), domain::Rejection::precondition_failed) << "what it remembers is old too";
  EXPECT_TRUE(is_applied(report_if(second, 3)));
  EXPECT_EQ(refused(report_if(first, 3)), domain::Rejection::precondition_failed);
}

TEST_F(TwoInstances, AnOwnerElsewhereIsTheOwner) {
  ASSERT_TRUE(is_applied(report(first, {})));
  ASSERT_TRUE(is_applied(remove(second, support::file_id(1))));
  ASSERT_TRUE(is_applied(report(second, {.by = "bob@example.com"})));
  EXPECT_TRUE(is_applied(report(first, {.by = "bob@example.com"})));
  ASSERT_TRUE(is_applied(remove(second, support::file_id(2), "bob@example.com")));
  ASSERT_TRUE(is_applied(report(second, {.by = "cy@example.com"})));
  EXPECT_EQ(refused(report(first, {.by = "bob@example.com"})), domain::Rejection::not_the_owner);
  EXPECT_TRUE(is_applied(remove(first, support::file_id(4), "cy@example.com")));
  EXPECT_EQ(refused(remove(second, support::file_id(4), "cy@example.com")), domain::Rejection::no_such_file);
}

}  // namespace
}  // namespace pebbles::ingest
