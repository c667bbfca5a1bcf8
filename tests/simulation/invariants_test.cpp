#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "ingest/committer.hpp"
#include "simulation/history.hpp"
#include "store/compare.hpp"
#include "store/log_format.hpp"
#include "support/events.hpp"
#include "support/memory_store.hpp"

/// One case per invariant (docs/invariants.md), each the interleaving that breaks a service without it. 2, 7, 9 and
/// 14 need a real store or a broker, and so does what of 15 is about pruning (pruner_contract.hpp).
namespace pebbles::simulation {
namespace {

using domain::Rejection;
using ingest::Applied;
using ingest::Outcome;
using ingest::Refused;
using ingest::Replayed;
using ingest::Retry;
using store::StreamId;
using support::Moment;
using support::stream_id;
using support::Told;

class Answers final : public ingest::AckSink {
 public:
  void settle(std::vector<ingest::Settlement> settlements) override {
    for (auto& settlement : settlements) {
      EXPECT_FALSE(of_.contains(settlement.ticket)) << "settled twice";
      of_.emplace(settlement.ticket, std::move(settlement.outcome));
    }
  }
  [[nodiscard]] const Outcome* of(std::uint64_t ticket) const {
    const auto known = of_.find(ticket);
    return known == of_.end() ? nullptr : &known->second;
  }
  std::uint64_t tickets = 0;

 private:
  std::map<std::uint64_t, Outcome> of_;
};

const StreamId file = stream_id("krn:acme", "sales.csv");
const StreamId other_file = stream_id("krn:acme", "other.csv");

class Invariants : public testing::Test {
 protected:
  /// An instance of the ingest with its own connection to the one log.
  struct Instance {
    Instance(support::MemoryLog& log, std::uint64_t writer) : store{log, writer}, committer{store, options(writer)} {}
    static ingest::CommitterOptions options(std::uint64_t writer) {
      ingest::CommitterOptions options;
      options.writer = writer;
      options.settle_attempts_max = 3;
      return options;
    }
    support::MemoryStore store;
    ingest::Committer committer;
  };

  ~Invariants() override {
    log.sweep();
    EXPECT_EQ(history.read_along(), std::nullopt);
    EXPECT_EQ(history.check_all(), std::nullopt);
  }

  struct Batch {
    std::vector<ingest::Pending> pendings;
    std::vector<std::uint64_t> tickets;
  };
  void add(Batch& batch, const StreamId& stream, const Told& told) {
    batch.tickets.push_back(++answers.tickets);
    domain::Progress now;
    now.version = static_cast<domain::Version>(answers.tickets);  // makes an id of its own
    if (told.deletes) now = state(stream);
    batch.pendings.push_back({.stream = stream,
                              .command = support::command(told, stream, now),
                              .ack = ingest::Ack{answers, answers.tickets}});
  }
  std::vector<std::uint64_t> process(Instance& instance, const std::vector<std::pair<StreamId, Told>>& updates) {
    Batch batch;
    for (const auto& [stream, told] : updates) add(batch, stream, told);
    instance.committer.process(std::move(batch.pendings));
    return batch.tickets;
  }
  std::uint64_t tell(Instance& instance, const Told& told, const StreamId& stream = file) {
    return process(instance, {{stream, told}}).front();
  }

  /// A message that is read from a partition, at an offset, under an epoch.
  std::uint64_t read(Instance& instance, std::int64_t offset, const Told& told = {},
                     const ingest::EpochPtr& epoch = live) {
    auto message = told;
    message.channel = domain::Channel::kafka;
    message.position = {.log = "cluster", .topic = "progress", .partition = 3, .offset = offset};
    Batch batch;
    add(batch, file, message);
    batch.pendings.front().epoch = epoch;
    instance.committer.process(std::move(batch.pendings));
    return batch.tickets.front();
  }
  static inline const ingest::EpochPtr live = std::make_shared<ingest::Epoch>();

  template <class What>
  const What* told(std::uint64_t ticket) const {
    const auto* outcome = answers.of(ticket);
    return outcome ? std::get_if<What>(outcome) : nullptr;
  }
  [[nodiscard]] bool refused(std::uint64_t ticket, Rejection why) const {
    const auto* outcome = told<Refused>(ticket);
    return outcome && outcome->why == why;
  }
  [[nodiscard]] bool waits(std::uint64_t ticket) const { return answers.of(ticket) == nullptr; }

  domain::Progress state(const StreamId& stream = file) {
    EXPECT_EQ(history.read_along(), std::nullopt);
    return history.of(stream).states.back();
  }

  support::MemoryLog log;
  History history{log};
  Answers answers;
  std::unique_ptr<Instance> a_ = std::make_unique<Instance>(log, 1);
  std::unique_ptr<Instance> b_ = std::make_unique<Instance>(log, 2);
  Instance& a = *a_;
  Instance& b = *b_;
};

TEST_F(Invariants, Invariant1_unknown_is_not_absent) {
  tell(a, {});
  a.store.faults.unknown_later = 1;
  const auto first = tell(a, {.counts = {.done = 10}});
  EXPECT_TRUE(waits(first));  // it isn't there, and that proves nothing
  a.store.faults = {};
  ASSERT_EQ(log.lingering(), 1U);
  EXPECT_TRUE(log.land(0));  // the write arrives after all, before anybody asked again
  const auto second = tell(a, {.counts = {.done = 100}});
  EXPECT_TRUE(waits(second));
  a.committer.settle();
  EXPECT_TRUE(told<Applied>(first));
  EXPECT_TRUE(told<Applied>(second));
  EXPECT_EQ(state().counts.done, 111);
}

TEST_F(Invariants, Invariant1_a_late_write_comes_second) {
  tell(a, {});
  a.store.faults.unknown_later = 1;
  const auto first = tell(a, {.counts = {.done = 10}});
  a.store.faults = {};
  a.committer.settle();  // decided again at the same version: this chunk takes the place
  EXPECT_TRUE(told<Applied>(first));
  EXPECT_FALSE(log.land(0));
  EXPECT_EQ(state().counts.done, 11);
}

TEST_F(Invariants, Invariant1_somebody_else_takes_the_place) {
  tell(a, {});
  a.store.faults.unknown_later = 1;
  const auto first = tell(a, {.counts = {.done = 10}});
  a.store.faults = {};
  EXPECT_TRUE(told<Applied>(tell(b, {.counts = {.done = 100}})));
  a.committer.settle();  // not ours: decided again behind it
  EXPECT_TRUE(told<Applied>(first));
  EXPECT_FALSE(log.land(0));
  EXPECT_EQ(state().counts.done, 111);
}

TEST_F(Invariants, Invariant1_patience_ends_with_maybe_applied) {
  tell(a, {});
  a.store.faults.unknown_later = 1;
  const auto first = tell(a, {.counts = {.done = 10}, .key = "p:1"});
  const auto behind = tell(a, {.counts = {.done = 100}});
  a.store.faults = {.unknown_never = 1};
  for (int i = 0; i < 5; ++i) a.committer.settle();
  ASSERT_TRUE(told<Retry>(first));
  EXPECT_TRUE(told<Retry>(first)->maybe_applied);
  ASSERT_TRUE(told<Retry>(behind));
  EXPECT_FALSE(told<Retry>(behind)->maybe_applied);
  EXPECT_EQ(a.committer.in_doubt(), 1U);
  // The stream stays where it is until the doubt is over, and others don't notice.
  a.store.faults = {};
  const auto meanwhile = tell(a, {});
  EXPECT_TRUE(told<Retry>(meanwhile));
  EXPECT_TRUE(told<Applied>(tell(a, {}, other_file)));
  EXPECT_TRUE(log.land(0));
  a.committer.settle();
  EXPECT_EQ(a.committer.in_doubt(), 0U);
  EXPECT_TRUE(told<Replayed>(tell(a, {.counts = {.done = 10}, .key = "p:1"})));
  EXPECT_EQ(state().counts.done, 11);
}

TEST_F(Invariants, Invariant1_a_rebuild_during_a_doubt) {
  tell(a, {});
  a.store.faults.unknown_never = 1;
  const auto first = tell(a, {.counts = {.done = 10}});
  a.store.faults = {};
  ASSERT_TRUE(log.rebuild(file));  // nothing stands at the version, and yet the old append conflicts
  for (int i = 0; i < 2; ++i) a.committer.settle();
  EXPECT_TRUE(told<Applied>(first));
  EXPECT_EQ(state().counts.done, 11);
}

TEST_F(Invariants, Invariant1_the_end_of_an_instance_tells_who_is_in_doubt) {
  a.store.faults.unknown_later = 1;
  const auto first = tell(a, {});
  const auto behind = tell(a, {});
  a_.reset();
  ASSERT_TRUE(told<Retry>(first));
  EXPECT_TRUE(told<Retry>(first)->maybe_applied);
  ASSERT_TRUE(told<Retry>(behind));
  EXPECT_FALSE(told<Retry>(behind)->maybe_applied);
}

TEST_F(Invariants, Invariant3_the_log_leads_the_snapshot_follows) {
  tell(a, {});
  a.store.faults.snapshot_lost = 1;  // died between chunk and snapshot
  tell(a, {.counts = {.done = 10}, .key = "p:1"});
  ASSERT_EQ(log.find(file)->snapshot->progress.version, 1);
  a_.reset();
  // The others must not loop on the same version, nor count the redelivery.
  EXPECT_TRUE(told<Replayed>(tell(b, {.counts = {.done = 10}, .key = "p:1"})));
  EXPECT_TRUE(told<Applied>(tell(b, {.counts = {.done = 100}})));
  EXPECT_LE(b.store.commits, 2);
  EXPECT_EQ(state().counts.done, 111);
  EXPECT_EQ(log.find(file)->snapshot->progress.version, 3);
}

TEST_F(Invariants, Invariant3_a_stream_that_never_got_a_snapshot) {
  a.store.faults.snapshot_lost = 1;
  tell(a, {.by = "ann@example.com"});
  ASSERT_FALSE(log.find(file)->snapshot);
  EXPECT_TRUE(refused(tell(b, {.by = "bob@example.com"}), Rejection::not_the_owner));
  EXPECT_TRUE(told<Applied>(tell(b, {.by = "ann@example.com"})));
}

TEST_F(Invariants, Invariant4_a_snapshot_only_moves_forward) {
  tell(a, {});
  bool done = false;
  a.store.at_moment = [&](Moment moment) {
    if (moment != Moment::after_chunk || done) return;
    done = true;  // a's chunk stands, its snapshot doesn't: b overtakes it with both
    EXPECT_TRUE(told<Applied>(tell(b, {.counts = {.done = 100}})));
    EXPECT_EQ(log.find(file)->snapshot->progress.version, 3);
  };
  EXPECT_TRUE(told<Applied>(tell(a, {.counts = {.done = 10}})));
  EXPECT_TRUE(done);
  EXPECT_EQ(log.find(file)->snapshot->progress.version, 3);
  EXPECT_EQ(state().counts.done, 111);
}

TEST_F(Invariants, Invariant5_no_outcome_before_its_commit) {
  a.store.faults.unknown_later = 1;
  const auto tickets = process(a, {{file, {.by = "ann@example.com"}}, {file, {.by = "bob@example.com"}}});
  EXPECT_TRUE(waits(tickets[0]));
  EXPECT_TRUE(waits(tickets[1]));  // "not the owner" would be true only if ann's creation were
  a.store.faults = {};
  log.drop(0);
  EXPECT_TRUE(told<Applied>(tell(b, {.by = "bob@example.com"})));
  a.committer.settle();
  EXPECT_TRUE(refused(tickets[0], Rejection::not_the_owner));
  EXPECT_TRUE(told<Applied>(tickets[1]));
  EXPECT_EQ(*state().owner, "bob@example.com");
}

TEST_F(Invariants, Invariant5_a_conflict_decides_the_whole_sequence_again) {
  bool done = false;
  a.store.at_moment = [&](Moment moment) {
    if (moment != Moment::before_commit || done) return;
    done = true;
    tell(b, {.by = "bob@example.com", .is_last = true});
  };
  const auto tickets = process(a, {{file, {.by = "ann@example.com", .key = "p:1"}},
                                   {file, {.by = "ann@example.com", .key = "p:1"}},
                                   {file, {.by = "bob@example.com"}}});
  EXPECT_TRUE(refused(tickets[0], Rejection::not_the_owner));
  EXPECT_TRUE(refused(tickets[1], Rejection::not_the_owner));
  EXPECT_TRUE(refused(tickets[2], Rejection::already_completed));
}

TEST_F(Invariants, Invariant6_one_bad_stream_blocks_nobody) {
  log.refuses = [](const store::Append& append) { return append.text.find("\"done\":666") != std::string::npos; };
  const auto tickets = process(a, {{other_file, {}},
                                   {file, {.counts = {.done = 1}}},
                                   {file, {.counts = {.done = 666}}},
                                   {file, {.counts = {.done = 2}}}});
  EXPECT_TRUE(told<Applied>(tickets[0]));
  EXPECT_TRUE(told<Applied>(tickets[1]));
  EXPECT_TRUE(told<ingest::Unstorable>(tickets[2]));
  EXPECT_TRUE(told<Applied>(tickets[3]));
  EXPECT_EQ(state().counts.done, 3);
}

TEST_F(Invariants, Invariant6_an_unstorable_update_behind_refused_and_replayed_ones) {
  tell(a, {.key = "p:1"});
  log.refuses = [](const store::Append& append) { return append.text.find("\"done\":666") != std::string::npos; };
  a.store.at_moment = [&](Moment) {
    if (a.store.commits > 100) throw std::runtime_error{"the committer turns in circles"};
  };
  const auto tickets = process(a, {{file, {.by = "bob@example.com"}},
                                   {file, {.key = "p:1"}},
                                   {file, {.counts = {.done = 666}}},
                                   {file, {.counts = {.done = 2}}}});
  EXPECT_TRUE(refused(tickets[0], Rejection::not_the_owner));
  EXPECT_TRUE(told<Replayed>(tickets[1]));
  EXPECT_TRUE(told<ingest::Unstorable>(tickets[2]));
  EXPECT_TRUE(told<Applied>(tickets[3]));
  EXPECT_EQ(state().counts.done, 3);
}

TEST_F(Invariants, Invariant6_one_stream_in_doubt_holds_up_no_other) {
  tell(a, {});
  a.store.faults.unknown_never = 1;
  tell(a, {});
  a.store.faults = {};
  const auto tickets = process(a, {{file, {}}, {other_file, {}}});
  EXPECT_TRUE(waits(tickets[0]));
  EXPECT_TRUE(told<Applied>(tickets[1]));
}

TEST_F(Invariants, Invariant6_chunks_are_bounded) {
  std::vector<std::pair<StreamId, Told>> updates;
  for (int i = 0; i < 6; ++i)
    updates.push_back({file, {.errors = {{.line = 1, .message = std::string(1'500'000, 'x')}}}});
  for (const auto ticket : process(a, updates)) EXPECT_TRUE(told<Applied>(ticket));
  EXPECT_GT(log.find(file)->rows.size(), 2U);
  for (const auto& [first, row] : log.find(file)->rows) EXPECT_LE(row.text.size(), store::chunk_bytes_max);
}

domain::LogPosition offset(std::int64_t number) {
  return {.log = "cluster", .topic = "progress", .partition = 3, .offset = number};
}

/// An offset at or below the remembered one is a duplicate, on any instance.
TEST_F(Invariants, Invariant8_a_watermark_has_no_holes) {
  using enum domain::Channel;
  EXPECT_TRUE(told<Applied>(tell(a, {.channel = kafka, .position = offset(10)})));
  EXPECT_TRUE(told<Applied>(tell(a, {.channel = kafka, .position = offset(15)})));
  EXPECT_TRUE(told<Replayed>(tell(a, {.channel = kafka, .position = offset(15)})));
  EXPECT_TRUE(told<Replayed>(tell(b, {.channel = kafka, .position = offset(10)})));
  EXPECT_TRUE(told<Applied>(tell(b, {.channel = kafka, .position = offset(16)})));
  auto elsewhere = offset(10);
  elsewhere.partition = 4;
  EXPECT_TRUE(told<Applied>(tell(b, {.channel = kafka, .position = elsewhere})));
  elsewhere.log = "another cluster";
  EXPECT_TRUE(told<Applied>(tell(b, {.channel = kafka, .position = elsewhere})));
  EXPECT_EQ(state().counts.done, 5);
}

/// The hole: without an epoch the update is sent back alone, and what is read behind it makes it a duplicate.
TEST_F(Invariants, Invariant8_a_message_put_back_alone_would_be_lost) {
  a.store.faults.not_stored = 1;
  EXPECT_TRUE(told<Retry>(read(a, 10, {}, nullptr)));
  a.store.faults = {};
  read(a, 15, {}, nullptr);
  EXPECT_TRUE(told<Replayed>(read(a, 10, {}, nullptr)));
  EXPECT_EQ(state().counts.done, 1);
}

TEST_F(Invariants, Invariant8_a_fault_holds_a_message_and_what_follows_it) {
  a.store.faults.not_stored = 1;
  const auto first = read(a, 10, {.counts = {.done = 10}});
  EXPECT_TRUE(waits(first));
  a.store.faults = {};  // the store is back before anybody settles
  const auto second = read(a, 15, {.counts = {.done = 100}});
  EXPECT_TRUE(waits(second));
  EXPECT_TRUE(told<Applied>(tell(a, {})));  // who came over HTTP does not wait
  EXPECT_EQ(a.committer.unsettled(), 1U);
  a.committer.settle();
  EXPECT_TRUE(told<Applied>(first));
  EXPECT_TRUE(told<Applied>(second));
  EXPECT_EQ(a.committer.unsettled(), 0U);
  EXPECT_EQ(state().counts.done, 111);
}

TEST_F(Invariants, Invariant8_a_load_that_fails_holds_it_too) {
  tell(b, {});
  a.store.faults.away = 1;
  const auto message = read(a, 10, {.key = "p:1"});
  const auto http = tell(a, {});
  EXPECT_TRUE(waits(message));
  EXPECT_TRUE(told<Retry>(http));
  a.store.faults = {};
  a.committer.settle();
  EXPECT_TRUE(told<Applied>(message));
}

TEST_F(Invariants, Invariant8_a_doubt_without_end_sends_no_message_back) {
  tell(a, {});
  a.store.faults.unknown_never = 1;
  std::vector<std::uint64_t> messages;
  messages.push_back(read(a, 1));
  const auto http = tell(a, {});
  messages.push_back(read(a, 2));
  for (int i = 0; i < 5; ++i) a.committer.settle();
  messages.push_back(read(a, 3));
  EXPECT_TRUE(told<Retry>(http));
  for (const auto message : messages) EXPECT_TRUE(waits(message));
  a.store.faults = {};
  a.committer.settle();
  for (const auto message : messages) EXPECT_TRUE(told<Applied>(message));
  EXPECT_EQ(state().counts.done, 4);
}

TEST_F(Invariants, Invariant8_an_epoch_that_ends_drops_a_suffix) {
  const auto epoch = std::make_shared<ingest::Epoch>();
  EXPECT_TRUE(told<Applied>(read(a, 10, {}, epoch)));
  a.store.faults.not_stored = 1;
  const auto held = read(a, 11, {}, epoch);
  EXPECT_TRUE(waits(held));
  a.store.faults = {};
  epoch->end();
  const auto late = read(a, 12, {}, epoch);
  // Read again from the committed offset, elsewhere.
  for (std::int64_t offset = 10; offset < 13; ++offset) read(b, offset);
  a.committer.settle();
  EXPECT_TRUE(told<Retry>(held));
  EXPECT_TRUE(told<Retry>(late));
  EXPECT_EQ(a.committer.unsettled(), 0U);
  EXPECT_EQ(state().counts.done, 3);
}

TEST_F(Invariants, Invariant11_dead_letters_first) {
  tell(a, {.by = "ann@example.com"});
  const auto poison = read(a, 10, {.by = "bob@example.com"});
  ASSERT_TRUE(refused(poison, Rejection::not_the_owner));
  const auto gate = told<Refused>(poison)->gate;
  ASSERT_TRUE(gate);
  const auto later = read(a, 15);
  EXPECT_TRUE(waits(later));
  EXPECT_TRUE(told<Applied>(tell(a, {})));
  EXPECT_EQ(state().counts.done, 2);
  // The instance dies here: whoever reads the partition again must still see that the poison was not counted.
  EXPECT_TRUE(refused(read(b, 10, {.by = "bob@example.com"}), Rejection::not_the_owner));
  EXPECT_FALSE(a.committer.can_proceed());
  gate->pass();
  ASSERT_TRUE(a.committer.can_proceed());
  a.committer.process({});
  EXPECT_TRUE(told<Applied>(later));
  EXPECT_EQ(state().counts.done, 3);
}

/// Also within one batch, and what stands before the refusal is committed first (invariant 5).
TEST_F(Invariants, Invariant11_a_refusal_ends_what_a_batch_stores_of_its_stream) {
  Batch batch;
  const std::vector<std::string> senders{"ann@example.com", "bob@example.com", "eve@example.com", "ann@example.com"};
  for (const auto& sender : senders)
    add(batch, file,
        {.by = sender,
         .channel = domain::Channel::kafka,
         .position = offset(static_cast<std::int64_t>(batch.pendings.size()))});
  for (auto& pending : batch.pendings) pending.epoch = live;
  a.store.faults.unknown_later = 1;
  a.committer.process(std::move(batch.pendings));
  for (const auto ticket : batch.tickets) EXPECT_TRUE(waits(ticket));  // bob is judged against ann's creation
  a.store.faults = {};
  EXPECT_TRUE(log.land(0));
  a.committer.settle();
  EXPECT_TRUE(told<Applied>(batch.tickets[0]));
  EXPECT_TRUE(refused(batch.tickets[1], Rejection::not_the_owner));
  EXPECT_TRUE(refused(batch.tickets[2], Rejection::not_the_owner));  // no store in between: one gate for both
  EXPECT_TRUE(waits(batch.tickets[3]));
  told<Refused>(batch.tickets[1])->gate->pass();
  EXPECT_FALSE(a.committer.can_proceed());
  told<Refused>(batch.tickets[2])->gate->pass();
  a.committer.process({});
  EXPECT_TRUE(told<Applied>(batch.tickets[3]));
}

TEST_F(Invariants, Invariant10_load_then_look_up) {
  bool done = false;
  a.store.at_moment = [&](Moment moment) {
    if (moment != Moment::before_find_keys || done) return;
    done = true;  // between a's load and its look-up the twin is counted elsewhere
    EXPECT_TRUE(told<Applied>(tell(b, {.counts = {.done = 10}, .key = "p:1"})));
  };
  tell(b, {});
  EXPECT_TRUE(told<Replayed>(tell(a, {.counts = {.done = 10}, .key = "p:1"})));
  EXPECT_TRUE(done);
  EXPECT_EQ(state().counts.done, 11);
}

TEST_F(Invariants, Invariant10_then_the_index) {
  tell(b, {});
  bool done = false;
  a.store.at_moment = [&](Moment moment) {
    if (moment != Moment::before_commit || done) return;
    done = true;  // after the look-up
    EXPECT_TRUE(told<Applied>(tell(b, {.counts = {.done = 10}, .key = "p:1"})));
  };
  EXPECT_TRUE(told<Replayed>(tell(a, {.counts = {.done = 10}, .key = "p:1"})));
  EXPECT_TRUE(done);
  EXPECT_EQ(state().counts.done, 11);
}

/// The index alone turns a duplicate that no look-up saw into a conflict.
TEST_F(Invariants, Invariant10_the_index_without_a_look_up) {
  tell(a, {.key = "p:1"});
  const auto before = support::caught_up(file, log.load(file, store::LoadMode::with_log));
  const auto append = support::append_to(file, before, {{.key = "p:1"}});
  EXPECT_EQ(a.store.commit(std::span{&append, 1}).front(), store::AppendOutcome::conflict);
}

TEST_F(Invariants, Invariant12_key_spaces_do_not_meet) {
  EXPECT_TRUE(told<Applied>(tell(a, {.key = "p:1"})));
  EXPECT_TRUE(told<Applied>(tell(a, {.key = "s:1"})));
  EXPECT_TRUE(told<Applied>(tell(a, {.key = "r:1"})));
  EXPECT_TRUE(told<Applied>(tell(a, {.key = "p:1"}, other_file)));  // a key's scope is its file
  EXPECT_EQ(state().counts.done, 3);
}

TEST_F(Invariants, Invariant12_same_key_other_fingerprint) {
  tell(a, {.counts = {.done = 1}, .key = "p:1"});
  EXPECT_TRUE(refused(tell(a, {.counts = {.done = 2}, .key = "p:1"}), Rejection::key_reused));
  EXPECT_TRUE(refused(tell(b, {.counts = {.done = 2}, .key = "p:1"}), Rejection::key_reused));
  const auto tickets =
      process(a, {{file, {.counts = {.done = 1}, .key = "p:2"}}, {file, {.counts = {.done = 2}, .key = "p:2"}}});
  EXPECT_TRUE(told<Applied>(tickets[0]));
  EXPECT_TRUE(refused(tickets[1], Rejection::key_reused));
}

TEST_F(Invariants, Invariant12_a_twin_in_the_same_batch_gets_the_replay) {
  const auto tickets = process(a, {{file, {.key = "p:1"}}, {file, {.key = "p:1"}}, {file, {}}});
  EXPECT_TRUE(told<Applied>(tickets[0]));
  ASSERT_TRUE(told<Replayed>(tickets[1]));
  EXPECT_GE(told<Replayed>(tickets[1])->now->version, 1);
  EXPECT_TRUE(told<Applied>(tickets[2]));
  EXPECT_EQ(state().counts.done, 2);
}

TEST_F(Invariants, Invariant12_a_twin_waits_for_the_first) {
  a.store.faults.unknown_later = 1;
  const auto first = tell(a, {.key = "p:1"});
  const auto twin = tell(a, {.key = "p:1"});
  EXPECT_TRUE(waits(twin));
  a.store.faults = {};
  EXPECT_TRUE(log.land(0));
  a.committer.settle();
  EXPECT_TRUE(told<Applied>(first));
  EXPECT_TRUE(told<Replayed>(twin));
  EXPECT_EQ(state().counts.done, 1);
}

TEST_F(Invariants, Invariant12_a_replay_is_a_replay_after_completion) {
  tell(a, {.key = "p:1"});
  tell(a, {.is_last = true, .key = "p:2"});
  EXPECT_TRUE(told<Replayed>(tell(b, {.key = "p:1"})));
  EXPECT_TRUE(told<Replayed>(tell(b, {.is_last = true, .key = "p:2"})));
  EXPECT_TRUE(refused(tell(b, {.key = "p:3"}), Rejection::already_completed));
  EXPECT_TRUE(refused(tell(b, {.by = "bob@example.com", .key = "p:1"}), Rejection::not_the_owner));
}

/// A replay answers the file's present state: at the very least one that has the update in it, also on an instance
/// whose cached state is older.
TEST_F(Invariants, Invariant12_a_replay_elsewhere_shows_the_update) {
  tell(a, {});
  tell(b, {.key = "p:1"});
  const auto* replay = told<Replayed>(tell(a, {.key = "p:1"}));
  ASSERT_TRUE(replay);
  EXPECT_EQ(replay->now->version, 2);
}

TEST_F(Invariants, Invariant13_the_fold_depends_on_the_log_only) {
  std::vector<std::pair<StreamId, Told>> together;
  for (int i = 0; i < 60; ++i) {
    std::vector<domain::Item> items(3, {.line = i + 1, .message = std::string(static_cast<std::size_t>(i) * 20, 'm')});
    const Told told{.total = 1000 + i, .errors = items, .warnings = items, .id = support::file_id(1)};
    tell(i % 2 == 0 ? a : b, told);  // one chunk each, by two instances
    together.emplace_back(other_file, told);
  }
  process(a, together);  // one chunk for all
  const auto one_by_one = state(file);
  EXPECT_EQ(one_by_one, state(other_file));
  EXPECT_EQ(one_by_one.errors.count, 180);
  EXPECT_LE(one_by_one.errors.first.size(), domain::kept_items_max);
  // And what is read back from the stored bytes folds to the same.
  domain::Progress folded;
  for (const auto& [first, row] : log.find(file)->rows) {
    const auto events = store::decode_events(row.text);
    ASSERT_TRUE(events);
    for (const auto& event : *events) folded = evolve(std::move(folded), event);
  }
  EXPECT_EQ(folded, one_by_one);
}

TEST_F(Invariants, Invariant13_a_snapshot_of_another_fold_is_derived_again) {
  tell(a, {.counts = {.done = 5}});
  const auto right = log.find(file)->snapshot;
  auto wrong = std::make_shared<store::Snapshot>(*right);
  wrong->fold = domain::fold_number - 1;
  wrong->progress.counts.done = 99;
  support::MemoryLog old;
  store::Append append{.before = nullptr,
                       .chunk = log.find(file)->rows.at(1).chunk,
                       .text = log.find(file)->rows.at(1).text,
                       .after = wrong};
  ASSERT_EQ(old.insert(append, 1), store::AppendOutcome::stored);
  old.follow(append);
  support::MemoryStore store{old};
  const auto loaded = store.load(std::span{&file, 1}, store::LoadMode::snapshot_only);
  ASSERT_TRUE(loaded);
  EXPECT_FALSE(loaded->front().snapshot);
  EXPECT_EQ(support::caught_up(file, loaded->front())->progress, right->progress);
}

TEST_F(Invariants, Invariant15_a_redelivery_brings_nothing_back) {
  tell(a, {.key = "p:1"});
  tell(b, {.key = "p:2"});  // b remembers a state in which the file is there
  EXPECT_TRUE(told<Applied>(tell(a, {.deletes = true})));
  for (const auto* key : {"p:1", "p:2"}) {
    const auto* replay = told<Replayed>(tell(a, {.key = key}));
    ASSERT_TRUE(replay);
    EXPECT_FALSE(replay->now->exists());
    EXPECT_TRUE(told<Replayed>(tell(b, {.key = key})));
  }
  EXPECT_TRUE(refused(tell(b, {.deletes = true}), Rejection::no_such_file));
  EXPECT_FALSE(state().exists());
}

TEST_F(Invariants, Invariant15_an_update_that_knew_of_no_deletion_starts_a_new_life) {
  tell(a, {.counts = {.done = 5}});
  tell(b, {.counts = {.done = 5}});
  tell(a, {.deletes = true});
  const auto* fresh = told<Applied>(tell(b, {.counts = {.done = 1}}));
  ASSERT_TRUE(fresh);
  EXPECT_TRUE(fresh->created);
  EXPECT_EQ(state().counts.done, 1);
  EXPECT_EQ(state().born, 4);
}

TEST_F(Invariants, Invariant15_a_new_owner_and_the_old_ones_redeliveries) {
  tell(a, {.key = "p:1"});
  read(a, 7);
  tell(a, {.deletes = true});
  EXPECT_TRUE(told<Applied>(tell(b, {.by = "bob@example.com"})));
  EXPECT_TRUE(told<Replayed>(tell(a, {.key = "p:1"})));
  EXPECT_TRUE(told<Replayed>(read(a, 7)));
  EXPECT_TRUE(refused(tell(a, {.key = "p:3"}), Rejection::not_the_owner));
  EXPECT_EQ(*state().owner, "bob@example.com");
  EXPECT_EQ(state().counts.done, 1);
}

TEST_F(Invariants, Invariant15_lives_within_a_batch) {
  tell(a, {.key = "p:1"});
  const auto tickets = process(a, {{file, {.deletes = true}},
                                   {file, {.key = "p:1"}},
                                   {file, {.counts = {.done = 3}, .key = "p:2"}},
                                   {file, {.counts = {.done = 3}, .key = "p:2"}},
                                   {file, {.is_last = true}}});
  EXPECT_TRUE(told<Applied>(tickets[0]));
  EXPECT_TRUE(told<Replayed>(tickets[1]));
  ASSERT_TRUE(told<Applied>(tickets[2]));
  EXPECT_TRUE(told<Applied>(tickets[2])->created);
  EXPECT_TRUE(told<Replayed>(tickets[3]));
  EXPECT_TRUE(told<Applied>(tickets[4]));
  EXPECT_EQ(state().counts.done, 4);
  log.visit([](const StreamId&, const support::MemoryLog::Stream& stream) {
    EXPECT_EQ(stream.rows.size(), 3U);  // a chunk is of one life
  });
}

TEST_F(Invariants, Invariant15_a_deletion_that_is_in_doubt) {
  tell(a, {.key = "p:1"});
  a.store.faults.unknown_later = 1;
  const auto deleted = tell(a, {.deletes = true});
  const auto behind = tell(a, {.counts = {.done = 2}});
  EXPECT_TRUE(waits(deleted) && waits(behind));
  a.store.faults = {};
  EXPECT_TRUE(log.land(0));
  a.committer.settle();
  EXPECT_TRUE(told<Applied>(deleted));
  ASSERT_TRUE(told<Applied>(behind));
  EXPECT_TRUE(told<Applied>(behind)->created);
  EXPECT_EQ(state().counts.done, 2);
}

TEST_F(Invariants, Invariant16_the_tail_has_a_horizon) {
  store::TailCursor cursor = 0;
  std::vector<StreamId> seen;
  const auto read = [&] {
    const auto page = log.tail(cursor, 100);
    for (const auto& entry : page->entries) seen.push_back(entry.stream);
    cursor = page->next;
  };
  bool done = false;
  a.store.at_moment = [&](Moment moment) {
    if (moment != Moment::after_chunk || done) return;
    done = true;
    tell(b, {}, other_file);  // began later than a's commit and is done earlier
    read();
    EXPECT_TRUE(seen.empty());  // a's commit is open and stands before it
  };
  tell(a, {});
  EXPECT_TRUE(done);
  read();
  EXPECT_EQ(seen, (std::vector{file, other_file}));
}

TEST_F(Invariants, Invariant16_a_commit_that_is_on_its_way_holds_the_horizon) {
  auto append = support::append_to(file, nullptr, {{}});
  log.linger(append, true);
  tell(b, {}, other_file);
  EXPECT_TRUE(log.tail(0, 100)->entries.empty());
  log.land(0);
  const auto page = log.tail(0, 100);
  ASSERT_EQ(page->entries.size(), 2U);
  EXPECT_EQ(page->entries[0].stream, file);
}

TEST_F(Invariants, Invariant17_times_never_go_back) {
  using std::chrono::hours;
  tell(a, {.at = support::t0});
  tell(b, {.at = support::t0 - hours{1}});
  EXPECT_EQ(state().updated_at, support::t0);
  tell(a, {.at = support::t0 + hours{1}});
  tell(b, {.at = support::t0, .is_last = true});
  EXPECT_EQ(state().updated_at, support::t0 + hours{1});
  EXPECT_EQ(state().completed_at, support::t0 + hours{1});
  EXPECT_EQ(state().created_at, support::t0);
}

}  // namespace
}  // namespace pebbles::simulation
