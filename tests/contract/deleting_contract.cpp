#include "contract/deleting_contract.hpp"

namespace pebbles::contract {

using std::chrono::milliseconds;
using store::AppendOutcome;
using store::LoadMode;
using store::SnapshotPtr;
using store::StreamId;
using support::append_to;
using support::stream_id;
using support::t0;

namespace {

const domain::LogPosition at_5{.log = "log", .topic = "topic", .partition = 0, .offset = 5};

TEST_P(DeletingContract, WhatIsDeletedIsAsIfItNeverWas) {
  const auto before = tell(file, nullptr, {{.errors = {{.message = "e"}}}, {.key = "p:1", .position = at_5}});
  const auto other = tell(stream_id("krn:acme", "other.csv"), nullptr, {{}});
  const auto gone = tell(file, before, {{.at = t0 + milliseconds{7}, .deletes = true}});
  EXPECT_FALSE(gone->progress.exists());
  EXPECT_EQ(gone->progress.version, 3);
  for (int round = 0; round < 2; ++round) {
    expect_no(before->progress.id);
    EXPECT_EQ(fixture->reader().at_hand(file), nullptr);
    EXPECT_EQ(fixture->reader().by_filename(file).value(), nullptr);
    const auto left = listed();
    ASSERT_EQ(left.size(), 1U);
    expect_same(left.front(), other);
    EXPECT_EQ(listed(before->progress.owner).size(), 1U);
    fixture->reopen();
  }
}

TEST_P(DeletingContract, TheStreamGoesOn) {
  const auto before = tell(file, nullptr, {{.key = "p:1", .position = at_5}});
  const auto gone = tell(file, before, {{.deletes = true}});
  for (int round = 0; round < 2; ++round) {
    for (const auto mode : {LoadMode::snapshot_only, LoadMode::with_log}) {
      const auto state = load(file, mode);
      ASSERT_TRUE(state);
      EXPECT_EQ(state->progress, gone->progress);
      EXPECT_EQ(state->head, gone->head);
      EXPECT_EQ(state->progress.positions, std::vector{at_5});
    }
    ASSERT_TRUE(hit("p:1"));
    EXPECT_EQ(hit("p:1")->version, 1);
    // The version it had is taken, and so is its key.
    EXPECT_EQ(commit(append_to(file, before, {{}})), AppendOutcome::conflict);
    EXPECT_EQ(commit(append_to(file, nullptr, {{}})), AppendOutcome::conflict);
    EXPECT_EQ(commit(append_to(file, load(file), {{.key = "p:1"}})), AppendOutcome::conflict);
    fixture->reopen();
  }
}

TEST_P(DeletingContract, AFreshUploadStartsANewLife) {
  const auto before = tell(file, nullptr, {{.counts = {.done = 5}, .is_last = true, .errors = {{.message = "old"}}}});
  const auto gone = tell(file, before, {{.deletes = true}});
  const auto fresh = tell(file, gone, {{.by = "bob@example.com", .at = t0 + milliseconds{9}, .key = "p:2"}});
  EXPECT_EQ(fresh->progress.version, 3);
  EXPECT_EQ(fresh->progress.born, 3);
  EXPECT_NE(fresh->progress.id, before->progress.id);
  for (int round = 0; round < 3; ++round) {
    expect_same(load(file), fresh);
    expect_no(before->progress.id);
    expect_same(fixture->reader().by_filename(file).value(), fresh);
    expect_same(fixture->reader().by_id(file.client, fresh->progress.id).value(), fresh);
    ASSERT_EQ(listed().size(), 1U);
    expect_same(listed().front(), fresh);
    EXPECT_TRUE(listed(before->progress.owner).empty());
    EXPECT_EQ(listed(fresh->progress.owner).size(), 1U);
    fixture->reopen();
  }
  const auto later = tell(file, load(file), {{.by = "bob@example.com", .at = t0 + milliseconds{10}}});
  EXPECT_EQ(later->progress.counts.done, 2);
  expect_same(fixture->reader().by_filename(file).value(), later);
}

TEST_P(DeletingContract, ManyLives) {
  SnapshotPtr state;
  std::vector<domain::FileId> ended;
  for (int life = 0; life < 5; ++life) {
    state = tell(file, state,
                 {
                     {.by = life % 2 == 0 ? "ann@example.com" : "bob@example.com"},
                 });
    expect_same(fixture->reader().by_filename(file).value(), state);
    if (life == 2) fixture->reopen();
    if (life == 2) state = load(file);
    const auto id = state->progress.id;
    state = tell(file, state, {{.by = *state->progress.owner, .deletes = true}});
    expect_gone(id);
    ended.push_back(id);
  }
  for (const auto& id : ended) expect_no(id);
  fixture->reopen();
  for (const auto& id : ended) expect_gone(id);
  EXPECT_EQ(load(file)->progress, state->progress);
}

TEST_P(DeletingContract, EventsAndTailTellOfIt) {
  auto state = tell(file, nullptr, {{}});
  state = tell(file, state, {{.deletes = true}});
  state = tell(file, state, {{}});
  const auto told = events(file);
  ASSERT_EQ(told.size(), 3U);
  EXPECT_TRUE(std::holds_alternative<domain::Deleted>(told[1].what));
  EXPECT_TRUE(told[2].is_birth());
  EXPECT_EQ(fixture->reader().tail(0, 10)->entries.size(), 3U);
}

}  // namespace
}  // namespace pebbles::contract
