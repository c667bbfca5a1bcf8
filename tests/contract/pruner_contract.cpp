#include "contract/pruner_contract.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <thread>

#include "store/compare.hpp"

namespace pebbles::contract {

using std::chrono::hours;
using std::chrono::milliseconds;
using store::AppendOutcome;
using store::Clients;
using store::LoadMode;
using store::Pruned;
using store::Pruner;
using store::SnapshotPtr;
using store::StreamId;
using support::append_to;
using support::stream_id;
using support::t0;

void PrunerContract::expect_clean() {
  const auto report = fixture->verify();
  ASSERT_TRUE(report) << report.error().detail;
  EXPECT_EQ(report->differing, 0);
  for (const auto& difference : report->differences)
    ADD_FAILURE() << *difference.stream.filename << ": " << difference.what;
}

Pruned PrunerContract::all_steps(const std::function<Result<Pruned>(Pruner&)>& step) {
  Pruned out;
  for (int steps = 0; steps < 10'000; ++steps) {
    const auto done = fixture->prune(step);
    if (!done) {
      ADD_FAILURE() << done.error().detail;
      return out;
    }
    out += *done;
    if (!done->more) return out;
  }
  ADD_FAILURE() << "pruning comes to no end";
  return out;
}

void PrunerContract::expect_stands(const SnapshotPtr& state) {
  for (int round = 0; round < 2; ++round) {
    for (const auto mode : {LoadMode::snapshot_only, LoadMode::with_log}) expect_same(load(state->stream, mode), state);
    auto& reader = fixture->reader();
    if (state->progress.exists()) {
      expect_same(reader.by_filename(state->stream).value(), state);
      expect_same(reader.by_id(state->stream.client, state->progress.id).value(), state);
    } else {
      EXPECT_EQ(reader.by_filename(state->stream).value(), nullptr);
      EXPECT_EQ(reader.by_id(state->stream.client, state->progress.id).value(), nullptr);
    }
    const auto page = reader.list(state->stream.client, {.limit = 1000});
    ASSERT_TRUE(page);
    const auto listed = std::ranges::count_if(
        page->records, [&](const SnapshotPtr& record) { return record->stream.filename == state->stream.filename; });
    EXPECT_EQ(listed, state->progress.exists() ? 1 : 0);
    fixture->reopen();
  }
}

namespace {

domain::LogPosition at(std::int64_t offset) {
  return {.log = "log", .topic = "topic", .partition = 0, .offset = offset};
}

std::vector<support::Told> told(int number) {
  return {{.at = t0 + milliseconds{number},
           .counts = {.done = number, .warn = 1},
           .errors = {{.line = number + 1, .message = "e"}},
           .key = fmt::format("p:{}", number)},
          {.channel = domain::Channel::kafka, .at = t0 + milliseconds{number}, .position = at(number)}};
}

TEST_P(PrunerContract, AnEmptyStore) {
  const auto done = cut_all();
  EXPECT_EQ(done.logs, 0);
  EXPECT_EQ(bury().tombstones, 0);
}

TEST_P(PrunerContract, AFileStaysAsItIsWhenItsLogIsCut) {
  std::vector<SnapshotPtr> states{nullptr};
  for (int i = 0; i < 30; ++i) states.push_back(tell(file, states.back(), told(i)));
  const auto other = tell(stream_id("krn:acme", "other.csv"), nullptr, {{}});
  const auto& state = states.back();
  const auto done = cut_all();
  EXPECT_GE(done.logs, 2) << "one that is cut in parts counts several times";
  EXPECT_EQ(done.events, 61);
  expect_stands(state);
  expect_stands(other);
  const auto left = events(file);
  ASSERT_EQ(left.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<domain::Baseline>(left.front().what));
  EXPECT_EQ(left.front().version, 60);

  // Whoever holds a state from before goes on where it is the newest, and nowhere else.
  for (const auto& old : {states[0], states[1], states[2], states[29]})
    EXPECT_EQ(commit(append_to(file, old, {{}})), AppendOutcome::conflict);
  const auto next = tell(file, state, {{.key = "p:new"}});
  expect_stands(next);
  EXPECT_EQ(events(file).size(), 2U);
  EXPECT_EQ(fixture->reader().events(file, 60, {.events = 10})->events.size(), 1U);
  EXPECT_EQ(fixture->reader().events(file, 30, {.events = 1})->events.front().version, 60);
  EXPECT_TRUE(fixture->reader().events(file, 30, {.events = 1})->more);
  expect_clean();
  EXPECT_EQ(cut_all().events, 1);
  EXPECT_EQ(cut_all().events, 0);
  expect_stands(next);
  const auto rebuilt = fixture->rebuild();
  ASSERT_TRUE(rebuilt);
  EXPECT_EQ(rebuilt->rewritten, 0);
  EXPECT_EQ(rebuilt->failed, 0);
}

TEST_P(PrunerContract, AStateFromBeforeTheCutLeadsNowhere) {
  std::vector<SnapshotPtr> states{nullptr};
  for (int i = 0; i < 10; ++i) states.push_back(tell(file, states.back(), {{}, {}}));
  cut_all();
  ASSERT_EQ(events(file).size(), 1U);
  const auto newest = states.back();
  states.pop_back();
  for (int round = 0; round < 2; ++round) {
    for (const auto& old : states) EXPECT_EQ(commit(append_to(file, old, {{}})), AppendOutcome::conflict);
    expect_same(load(file), newest);
    fixture->reopen();
  }
  expect_stands(tell(file, newest, {{}}));
}

TEST_P(PrunerContract, KeysStayKnown) {
  SnapshotPtr state;
  std::map<std::string, domain::KeyHit> known;
  for (int i = 0; i < 30; ++i) {
    state = tell(file, state, {{.at = now(), .counts = {.done = i}, .key = fmt::format("p:{}", i)}});
    known[fmt::format("p:{}", i)] = hit(fmt::format("p:{}", i)).value();
  }
  for (int round = 0; round < 3; ++round) {
    for (const auto& [key, was] : known) {
      const auto found = hit(key);
      ASSERT_TRUE(found) << key;
      EXPECT_EQ(found->version, was.version);
      EXPECT_EQ(found->fingerprint, was.fingerprint);
      EXPECT_EQ(commit(append_to(file, state, {{.key = key}})), AppendOutcome::conflict);
    }
    EXPECT_FALSE(hit("p:never"));
    if (round == 0) cut_all();
    if (round == 1) {
      state = tell(file, state, {{}});
      cut_all();
      fixture->reopen();
    }
  }
}

TEST_P(PrunerContract, OnlyWhatIsOlderGoes) {
  SnapshotPtr state;
  for (int i = 0; i < 5; ++i) state = tell(file, state, {{.at = now()}, {.at = now()}});
  const auto tick = now();
  while (now() <= tick + milliseconds{1}) std::this_thread::sleep_for(milliseconds{20});
  const auto before = now();
  for (int i = 0; i < 5; ++i) state = tell(file, state, {{.at = now()}});
  EXPECT_EQ(cut_logs(everybody, before).events, 10);
  EXPECT_EQ(cut_logs(everybody, before).events, 0);
  expect_stands(state);
  const auto left = events(file);
  ASSERT_EQ(left.size(), 6U);
  EXPECT_EQ(left.front().version, 10);
  EXPECT_TRUE(std::holds_alternative<domain::Baseline>(left.front().what));
  for (std::size_t i = 1; i < left.size(); ++i) EXPECT_EQ(left[i].version, 10 + static_cast<store::Version>(i));
}

TEST_P(PrunerContract, ADryRunTellsAndChangesNothing) {
  SnapshotPtr state;
  for (int i = 0; i < 20; ++i) state = tell(file, state, told(i));
  auto gone = tell(stream_id("krn:acme", "gone.csv"), nullptr, {{}, {}});
  gone = tell(gone->stream, gone, {{.deletes = true}});
  const auto before = events(file);
  const auto cutting = all_steps([&](Pruner& pruner) { return pruner.cut_logs(everybody, now() + hours{1}, true); });
  const auto burying = all_steps([&](Pruner& pruner) { return pruner.bury(t0 - hours{1}, true); });
  EXPECT_EQ(cutting.logs, 1);
  EXPECT_EQ(cutting.events, 40);
  EXPECT_EQ(burying.logs, 1);
  EXPECT_EQ(burying.events, 3);
  EXPECT_EQ(events(file), before);
  EXPECT_EQ(events(gone->stream).size(), 3U);
  EXPECT_EQ(cut_all().events, 40);
  EXPECT_EQ(bury().events, 3);
}

/// However many steps that takes.
TEST_P(PrunerContract, OneRunCutsLongLogsToTheirEnd) {
  constexpr int chunks = 220;
  std::array<SnapshotPtr, 2> states;
  for (int i = 0; i < chunks; ++i)
    for (auto& state : states) state = tell(stream_id("krn:acme", &state == states.data() ? "a" : "b"), state, {{}});
  EXPECT_EQ(cut_logs(everybody, now() + hours{1}).events, 2 * chunks);
  for (const auto& state : states) {
    EXPECT_EQ(events(state->stream).size(), 1U);
    expect_stands(state);
  }
  expect_clean();
}

TEST_P(PrunerContract, ByClient) {
  std::vector<SnapshotPtr> states;
  for (const auto* client : {"krn:a", "krn:b", "krn:c"})
    states.push_back(tell(stream_id(client, "f"), tell(stream_id(client, "f"), nullptr, {{}}), {{}}));
  const auto length = [&](std::size_t i) { return events(states[i]->stream).size(); };
  EXPECT_EQ(cut_logs({.only = domain::ClientKrn{"krn:b"}}, now() + hours{1}).events, 2);
  EXPECT_EQ(std::tuple(length(0), length(1), length(2)), std::tuple(2U, 1U, 2U));
  EXPECT_EQ(cut_logs({.but = {domain::ClientKrn{"krn:c"}}}, now() + hours{1}).events, 2);
  EXPECT_EQ(std::tuple(length(0), length(1), length(2)), std::tuple(1U, 1U, 2U));
  for (const auto& state : states) expect_stands(state);
}

TEST_P(PrunerContract, TheTailTellsNothingOfIt) {
  SnapshotPtr state;
  for (int i = 0; i < 10; ++i) state = tell(file, state, {{}});
  const auto end = fixture->reader().tail(0, 100)->next;
  cut_all();
  EXPECT_TRUE(fixture->reader().tail(0, 100)->entries.empty());
  EXPECT_TRUE(fixture->reader().tail(end, 100)->entries.empty());
  tell(file, state, {{}});
  for (const auto cursor : {store::TailCursor{0}, end}) {
    const auto page = fixture->reader().tail(cursor, 100);
    ASSERT_EQ(page->entries.size(), 1U);
    EXPECT_EQ(page->entries.front().event.version, 11);
  }
}

TEST_P(PrunerContract, ADeletedFileIsBuriedAndRemembered) {
  SnapshotPtr state;
  for (int i = 0; i < 12; ++i) state = tell(file, state, told(i));
  const auto live = state;
  state = tell(file, state, {{.at = now(), .deletes = true}});
  const auto done = bury();
  EXPECT_GE(done.logs, 1);
  EXPECT_EQ(done.events, 25);
  EXPECT_EQ(done.tombstones, 0);
  EXPECT_EQ(events(file).size(), 1U);
  expect_stands(state);
  EXPECT_EQ(load(file)->progress.positions, std::vector{at(11)});
  EXPECT_EQ(bury().logs, 0);
  for (const auto& old : {SnapshotPtr{}, live}) EXPECT_EQ(commit(append_to(file, old, {{}})), AppendOutcome::conflict);

  // And a new life goes on from there.
  state = tell(file, state, {{.by = "bob@example.com"}});
  EXPECT_EQ(state->progress.version, 26);
  EXPECT_EQ(state->progress.born, 26);
  expect_stands(state);
  expect_clean();
  state = tell(file, load(file), {{.by = "bob@example.com"}});
  EXPECT_EQ(bury(now() + hours{1}).tombstones, 0);
  expect_stands(state);
  EXPECT_EQ(events(file).size(), 3U);
}

TEST_P(PrunerContract, OneRunBuriesAllThatWereDeletedAtOneTime) {
  constexpr int files = 120;
  const auto time = now();
  for (int i = 0; i < files; ++i) {
    const auto stream = stream_id("krn:acme", fmt::format("{}", i));
    tell(stream, tell(stream, nullptr, {{}}), {{.at = time, .deletes = true}});
  }
  const auto run = [&](Timestamp tombstones_before) {
    return all_steps([&](Pruner& pruner) { return pruner.bury(tombstones_before, false); });
  };
  EXPECT_EQ(all_steps([&](Pruner& pruner) { return pruner.bury(time, true); }).logs, files);
  EXPECT_EQ(run(time).events, 2 * files);
  (void)run(time);  // what the logs' beginnings cover goes
  EXPECT_EQ(run(time + milliseconds{1}).tombstones, files);
  expect_clean();
}

TEST_P(PrunerContract, WhatWasDeletedJustNowIsErasedAndItsDeletionTold) {
  auto state = tell(file, nullptr, told(0));
  for (int i = 1; i < 40; ++i) state = tell(file, state, told(i));
  // The deletion is the last of three events of its chunk here, and the last of the only chunk there.
  state = tell(file, state, {{.at = now(), .key = "p:last"}, {.at = now()}, {.at = now(), .deletes = true}});
  auto brief = tell(stream_id("krn:acme", "brief.csv"), nullptr, {{.at = now()}, {.at = now(), .deletes = true}});
  auto reborn = tell(stream_id("krn:acme", "reborn.csv"), nullptr, {{.at = now()}});
  reborn = tell(reborn->stream, reborn, {{.at = now(), .deletes = true}});
  reborn = tell(reborn->stream, reborn, {{.at = now(), .counts = {.done = 7}}});
  const auto feed = [&](store::FeedPosition after) {
    const auto page =
        fixture->reader().client_events(domain::ClientKrn{"krn:acme"}, {.after = after, .bounds = {.events = 1000}});
    EXPECT_TRUE(page);
    return page->entries;
  };
  const auto before = feed({});
  for (int round = 0; round < 2; ++round) {
    const auto done = all_steps([](Pruner& pruner) { return pruner.erase_deleted(); });
    EXPECT_EQ(done.events, round == 0 ? 40 * 2 + 3 + 2 + 2 : 0);
    expect_clean();
  }
  expect_stands(state);
  expect_stands(brief);
  expect_stands(reborn);
  const auto is_told = [&](const std::vector<store::FeedEntry>& entries, const SnapshotPtr& of) {
    return std::ranges::count_if(entries, [&](const store::FeedEntry& entry) {
      return entry.filename == of->stream.filename && std::holds_alternative<domain::Deleted>(entry.event.what) &&
             entry.event.by == domain::Email{};
    });
  };
  const auto after = feed({});
  EXPECT_EQ(after.size(), 4U);
  for (const auto& one : {state, brief, reborn}) EXPECT_EQ(is_told(after, one), 1);
  for (const auto& entry : after) {
    EXPECT_EQ(feed(entry.position).size(), static_cast<std::size_t>(&after.back() - &entry));
  }
  // Whoever had read a part of the chunk is told of the rest: the deletion. A position on the deletion itself may be
  // told of it once more.
  for (const auto& entry : before) {
    const auto rest = feed(entry.position);
    const bool was_told = std::ranges::any_of(std::span{before.data(), &entry + 1}, [&](const auto& one) {
      return one.filename == file.filename && std::holds_alternative<domain::Deleted>(one.event.what);
    });
    const bool is_on_it = entry.filename == file.filename && std::holds_alternative<domain::Deleted>(entry.event.what);
    EXPECT_LE(is_told(rest, state), was_told && !is_on_it ? 0 : 1);
    EXPECT_GE(is_told(rest, state), was_told ? 0 : 1);
  }
  EXPECT_TRUE(hit("p:last"));
  EXPECT_EQ(tell(file, state, {{.at = now(), .counts = {.done = 1}}})->progress.counts.done, 1);
  (void)bury();
  EXPECT_TRUE(hit("p:last"));
}

TEST_P(PrunerContract, KeysOfADeletedFileStayKnown) {
  SnapshotPtr state;
  for (int i = 0; i < 5; ++i) state = tell(file, state, {{.at = now(), .key = fmt::format("p:{}", i)}});
  state = tell(file, state, {{.at = now(), .deletes = true}});
  bury();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(hit(fmt::format("p:{}", i))) << i;
    EXPECT_EQ(hit(fmt::format("p:{}", i))->version, i + 1);
    EXPECT_EQ(commit(append_to(file, state, {{.key = fmt::format("p:{}", i)}})), AppendOutcome::conflict);
  }
  state = tell(file, state, {{.at = now(), .key = "p:new"}});
  cut_all();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(hit(fmt::format("p:{}", i))->version, i + 1);
  EXPECT_EQ(hit("p:new")->version, 7);
  expect_stands(state);
}

TEST_P(PrunerContract, WhatComesAfterABurialIsBehindThePositionsOfBefore) {
  tell(stream_id("krn:acme", "kept.csv"), nullptr, {{}});
  tell(file, tell(file, nullptr, {{}}), {{.at = now(), .deletes = true}});
  const auto end = fixture->reader().tail(0, 100)->next;
  EXPECT_EQ(bury().events, 2);
  fixture->reopen();
  for (int i = 0; i < 3; ++i) tell(stream_id("krn:acme", fmt::format("new{}", i)), nullptr, {{}});
  EXPECT_EQ(fixture->reader().tail(end, 100)->entries.size(), 3U);
}

TEST_P(PrunerContract, ATombstoneEnds) {
  SnapshotPtr state;
  for (int i = 0; i < 5; ++i) state = tell(file, state, told(i));
  const auto live = state;
  const auto gone = tell(file, state, {{.deletes = true}});
  bury();
  EXPECT_EQ(bury(gone->progress.updated_at).tombstones, 0);
  const auto done = bury(gone->progress.updated_at + milliseconds{1});
  EXPECT_EQ(done.tombstones, 1);
  EXPECT_EQ(load(file), nullptr);
  EXPECT_TRUE(events(file).empty());
  EXPECT_FALSE(hit("p:1"));
  // States of the log that is gone lead nowhere, whatever begins there.
  for (const auto& old : {live, gone}) EXPECT_EQ(commit(append_to(file, old, {{}})), AppendOutcome::conflict);
  std::vector<SnapshotPtr> fresh{tell(file, nullptr, told(100))};
  EXPECT_EQ(fresh.back()->progress.born, 1);
  for (const auto& old : {live, gone}) EXPECT_EQ(commit(append_to(file, old, {{}})), AppendOutcome::conflict);
  for (int i = 1; i < 8; ++i) {
    fresh.push_back(tell(file, fresh.back(), told(100 + i)));
    for (const auto& old : {live, gone}) EXPECT_EQ(commit(append_to(file, old, {{}})), AppendOutcome::conflict) << i;
  }
  expect_stands(fresh.back());
  expect_clean();
}

TEST_P(PrunerContract, ANewLifeBeganBeforeTheBurial) {
  auto first = tell(file, nullptr, {{.errors = {{.message = "secret"}}, .key = "p:1", .position = at(3)}});
  const auto gone = tell(file, tell(file, first, {{}}), {{.deletes = true}});
  const auto fresh = tell(file, gone, {{.by = "bob@example.com", .at = now(), .key = "p:2"}});
  EXPECT_EQ(bury().events, 3);
  expect_stands(fresh);
  const auto left = events(file);
  ASSERT_EQ(left.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<domain::Baseline>(left.front().what));
  EXPECT_TRUE(left.back().is_birth());
  EXPECT_EQ(bury(now() + hours{1}).tombstones, 0);
  expect_stands(fresh);
  EXPECT_EQ(hit("p:2")->version, 4);
  EXPECT_EQ(fresh->progress.positions, std::vector{at(3)});
}

TEST_P(PrunerContract, CompletedFilesInTheirOrder) {
  std::vector<StreamId> files;
  for (int i = 0; i < 20; ++i) {
    files.push_back(stream_id(i % 4 == 0 ? "krn:b" : "krn:a", fmt::format("{}", i)));
    tell(files.back(), nullptr,
         {{.at = t0 + milliseconds{100 - i / 3},
           .is_last = i != 7,
           .id = support::file_id(static_cast<unsigned>(i) + 1)}});
  }
  const auto names = [&](const Clients& clients, Timestamp before, std::size_t limit) {
    std::vector<int> out;
    (void)fixture->prune([&](Pruner& pruner) -> Result<Pruned> {
      std::optional<store::CompletedPosition> after;
      for (;;) {
        PEBBLES_TRY(page, pruner.completed(clients, before, after, limit));
        EXPECT_LE(page.size(), limit);
        for (const auto& one : page) out.push_back(std::stoi(*one.stream.filename));
        if (page.empty()) return Pruned{};
        after = page.back().position;
      }
    });
    return out;
  };
  const std::vector<int> all{18, 19, 15, 16, 17, 12, 13, 14, 9, 10, 11, 6, 8, 3, 4, 5, 0, 1, 2};
  for (const std::size_t limit : {1U, 2U, 100U}) EXPECT_EQ(names({}, t0 + hours{1}, limit), all) << limit;
  EXPECT_EQ(names({}, t0 + milliseconds{96}, 3), (std::vector{18, 19, 15, 16, 17}));
  EXPECT_EQ(names({.only = domain::ClientKrn{"krn:b"}}, t0 + hours{1}, 2), (std::vector{16, 12, 8, 4, 0}));
  EXPECT_EQ(names({.but = {domain::ClientKrn{"krn:a"}}}, t0 + hours{1}, 2), (std::vector{16, 12, 8, 4, 0}));
  EXPECT_TRUE(names({.only = domain::ClientKrn{"krn:none"}}, t0 + hours{1}, 2).empty());
}

/// Whatever comes in whatever order: what counts stays, and stays provable.
TEST_P(PrunerContract, AnythingInAnyOrder) {
  const unsigned seeds = std::getenv("PEBBLES_LONG") != nullptr ? 5 : 1;
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 dice{seed};
    const auto stream = stream_id("krn:acme", fmt::format("{}.csv", seed));
    SnapshotPtr state;
    std::vector<SnapshotPtr> old;
    std::map<std::string, store::Version> keys;
    int number = 0;
    for (int i = 0; i < 40; ++i) {
      const auto exists = state && state->progress.exists();
      switch (dice() % 8) {
        case 0:
          if (exists) state = tell(stream, state, {{.at = now(), .deletes = true}});
          break;
        case 1: cut_all(); break;
        case 2: bury(); break;
        case 3:
          fixture->reopen();
          if (state) state = load(stream);
          break;
        default: {
          std::vector<Told> updates(1 + dice() % 6);
          for (auto& update : updates) {
            update.at = now();
            if (dice() % 2 == 0) update.key = fmt::format("p:{}", number);
            if (update.key) keys[*update.key] = (state ? state->progress.version : 0) + 1 + (&update - updates.data());
            if (dice() % 3 == 0) update.position = at(number);
            ++number;
          }
          state = tell(stream, state, updates);
        }
      }
      if (!state) continue;
      expect_same(load(stream), state);
      const auto shown = fixture->reader().by_filename(stream).value();
      EXPECT_EQ(shown != nullptr, state->progress.exists());
      for (const auto& [key, version] : keys) {
        const store::KeyQuery query{.stream = stream, .hash = support::key_hash(key)};
        const auto found = fixture->store().find_keys(std::span{&query, 1}).value().front();
        ASSERT_TRUE(found) << key;
        EXPECT_EQ(found->version, version);
      }
      if (!old.empty() && old.back()->progress.version < state->progress.version) {
        EXPECT_EQ(commit(append_to(stream, old[dice() % old.size()], {{}})), AppendOutcome::conflict);
      }
      if (old.empty() || old.back()->progress.version < state->progress.version) old.push_back(state);
    }
    expect_stands(state);
  }
}

}  // namespace
}  // namespace pebbles::contract
