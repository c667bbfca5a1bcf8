#include "retention/retention.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

namespace pebbles::retention {
namespace {

using std::chrono::days;
using store::Clients;
using store::CompletedFile;
using store::Pruned;

constexpr Timestamp now{days{20'000}};

/// Tells what it was asked, in words, and answers what it was told to.
class ScriptedPruner final : public store::Pruner {
 public:
  Result<Timestamp> now() override { return retention::now; }

  Result<std::vector<CompletedFile>> completed(const Clients& clients, Timestamp before,
                                               const std::optional<store::CompletedPosition>& after,
                                               std::size_t limit) override {
    note("completed", clients, before, false);
    if (fault) return std::unexpected{*fault};
    std::vector<CompletedFile> out;
    for (const auto& file : files) {
      const bool is_behind = !after || after->id < file.position.id;
      if (is_behind && clients.hold(file.stream.client) && out.size() < limit) out.push_back(file);
    }
    return out;
  }
  Result<Pruned> cut_logs(const Clients& clients, Timestamp before, bool dry_run) override {
    note("cut", clients, before, dry_run);
    return step(cuts);
  }
  Result<Pruned> erase_deleted() override { return Pruned{}; }
  Result<Pruned> bury(Timestamp before, bool dry_run) override {
    note("bury", {}, before, dry_run);
    return step(burials);
  }

  void add_files(const std::string& client, int count) {
    for (int i = 0; i < count; ++i) {
      CompletedFile file{.stream = {domain::ClientKrn{client}, domain::Filename{std::to_string(files.size())}},
                         .position = {.completed_at = retention::now - days{50}}};
      file.position.id[10] = static_cast<std::uint8_t>(files.size() / 256);
      file.position.id[11] = static_cast<std::uint8_t>(files.size() % 256);
      files.push_back(std::move(file));
    }
  }

  std::vector<CompletedFile> files;
  std::vector<Pruned> cuts, burials;  ///< what steps answer, one after the other; then nothing
  std::optional<Error> fault;
  std::function<void()> at_step = [] {};
  std::vector<std::string> asked;

 private:
  void note(std::string_view what, const Clients& clients, Timestamp before, bool dry_run) {
    auto whose = clients.only ? **clients.only : "all";
    for (const auto& client : clients.but) whose += "-" + *client;
    asked.push_back(fmt::format("{} {} {}{}", what, whose, (retention::now - before) / days{1}, dry_run ? " dry" : ""));
    at_step();
  }
  Result<Pruned> step(std::vector<Pruned>& script) const {
    if (fault) return std::unexpected{*fault};
    if (script.empty()) return Pruned{};
    const auto out = script.front();
    script.erase(script.begin());
    return out;
  }
};

/// Of every stream a file that was completed fifty days ago, until it is deleted.
class CompletedStore final : public store::EventStore {
 public:
  struct Seen {
    std::set<std::string> deleted;
    bool is_away = false;
    bool is_completed = true;
  };
  explicit CompletedStore(Seen& seen) : seen_{seen} {}

  Result<std::vector<store::Loaded>> load(std::span<const store::StreamId> streams, store::LoadMode) override {
    std::vector<store::Loaded> out;
    for (const auto& stream : streams) {
      auto state = std::make_shared<store::Snapshot>();
      state->stream = stream;
      state->progress.version = 3;
      state->progress.born = 1;
      state->progress.owner = domain::Email{"ann@example.com"};
      const auto number = std::stoul(*stream.filename);
      state->progress.id[10] = static_cast<std::uint8_t>(number / 256);
      state->progress.id[11] = static_cast<std::uint8_t>(number % 256);
      state->progress.completed = seen_.is_completed;
      if (seen_.is_completed) state->progress.completed_at = now - days{50};
      out.push_back({.snapshot = std::move(state), .after = {}});
    }
    return out;
  }
  Result<std::vector<std::optional<domain::KeyHit>>> find_keys(std::span<const store::KeyQuery> queries) override {
    return std::vector<std::optional<domain::KeyHit>>(queries.size());
  }
  Result<std::vector<std::optional<store::Token>>> find_tokens(std::span<const store::ChunkQuery> queries) override {
    return std::vector<std::optional<store::Token>>(queries.size());
  }
  std::vector<store::AppendOutcome> commit(std::span<const store::Append> batch) override {
    if (seen_.is_away) return std::vector(batch.size(), store::AppendOutcome::not_stored);
    for (const auto& append : batch) seen_.deleted.insert(*append.after->stream.filename);
    return std::vector(batch.size(), store::AppendOutcome::stored);
  }
  bool maintain(store::Load) override { return false; }

 private:
  Seen& seen_;
};

class RetentionRun : public testing::Test {
 protected:
  RetentionRun() {
    std::vector<std::unique_ptr<store::EventStore>> lanes;
    lanes.push_back(std::make_unique<CompletedStore>(seen));
    ingest.emplace(std::move(lanes), ingest::IngestOptions{.queue_updates_max = 10'000});
  }
  Result<Report> run(const Rules& rules, Mode mode = Mode::at_once) {
    Retention retention{pruner, *ingest, rules};
    return retention.run(mode);
  }

  ScriptedPruner pruner;
  CompletedStore::Seen seen;  // the lane's, until `ingest` ends
  std::optional<ingest::Ingest> ingest;
};

struct RulesCase {
  std::string name;
  Rules rules;
  std::vector<std::string> asked;  ///< files first, then logs, tombstones last
};

void PrintTo(const RulesCase& one, std::ostream* out) { *out << one.name; }

class RetentionRules : public RetentionRun, public testing::WithParamInterface<RulesCase> {};

TEST_P(RetentionRules, AskForWhatIsOldByTheStoresClock) {
  ASSERT_TRUE(run(GetParam().rules));
  EXPECT_EQ(pruner.asked, GetParam().asked);
  pruner.asked.clear();
  ASSERT_TRUE(run(GetParam().rules, Mode::dry_run));
  for (const auto& line : GetParam().asked) {
    const auto place = static_cast<std::size_t>(&line - GetParam().asked.data());
    EXPECT_EQ(pruner.asked.at(place), line.starts_with("completed") ? line : line + " dry");
  }
}

const RulesCase rules_cases[] = {
    {"None", {}, {"bury all 90"}},
    {"Files", {.files = {.all = days{30}}}, {"completed all 30", "bury all 90"}},
    {"Events", {.events = {.all = days{7}}, .tombstones = days{15}}, {"cut all 7", "bury all 15"}},
    {"FilesThenEventsThenTombstones",
     {.files = {.all = days{30}}, .events = {.all = days{7}}},
     {"completed all 30", "cut all 7", "bury all 90"}},
    {"AClientOfItsOwn",
     {.files = {.all = days{30}, .by_client = {{"krn:b", days{5}}}}},
     {"completed krn:b 5", "completed all-krn:b 30", "bury all 90"}},
    {"AClientForEver",
     {.files = {.all = days{30}, .by_client = {{"krn:a", std::nullopt}, {"krn:b", days{5}}}}},
     {"completed krn:b 5", "completed all-krn:a-krn:b 30", "bury all 90"}},
    {"OnlyAClient", {.events = {.by_client = {{"krn:b", days{5}}}}}, {"cut krn:b 5", "bury all 90"}},
};

INSTANTIATE_TEST_SUITE_P(Table, RetentionRules, testing::ValuesIn(rules_cases),
                         [](const auto& tested) { return tested.param.name; });

TEST_F(RetentionRun, FilesAreDeletedThroughTheirLanePageByPage) {
  pruner.add_files("krn:a", 250);
  pruner.add_files("krn:kept", 3);
  const Rules rules{.files = {.all = days{30}, .by_client = {{"krn:kept", std::nullopt}}}};
  for (const auto mode : {Mode::dry_run, Mode::at_once}) {
    const auto report = run(rules, mode);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->files, 250);
    EXPECT_EQ(seen.deleted.size(), mode == Mode::dry_run ? 0U : 250U);
    EXPECT_FALSE(seen.deleted.contains("250"));
  }
}

TEST_F(RetentionRun, AFileThatIsNoLongerSoIsNotCounted) {
  pruner.add_files("krn:a", 3);
  seen.is_completed = false;  // deleted and begun again in between
  const auto report = run({.files = {.all = days{30}}});
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->is_empty());
  EXPECT_TRUE(seen.deleted.empty());
}

TEST_F(RetentionRun, StepsAreRepeatedAndAddedUp) {
  pruner.cuts = {{.logs = 1, .events = 10, .more = true}, {.more = true}, {.logs = 2, .events = 5}};
  pruner.burials = {{.logs = 1, .events = 3, .tombstones = 2, .more = true}, {.tombstones = 1}};
  const auto report = run({.events = {.all = days{7}}});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->logs, 4);
  EXPECT_EQ(report->events, 18);
  EXPECT_EQ(report->tombstones, 3);
  EXPECT_EQ(pruner.asked.size(), 5U);
}

TEST_F(RetentionRun, ALaneThatSaysTryAgainEndsTheRun) {
  pruner.add_files("krn:a", 250);
  seen.is_away = true;
  const auto report = run({.files = {.all = days{30}}, .events = {.all = days{7}}});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Errc::store_unavailable);
  EXPECT_EQ(pruner.asked, std::vector<std::string>{"completed all 30"});
}

TEST_F(RetentionRun, WhatALaneHasNoRoomForIsLeftToAnotherRun) {
  pruner.add_files("krn:a", 250);
  pruner.cuts = {{.events = 5}};
  ingest->stop(std::chrono::seconds{5});
  const auto report = run({.files = {.all = days{30}}, .events = {.all = days{7}}});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->files, 0);
  EXPECT_EQ(report->left, 250);
  EXPECT_EQ(report->events, 5);
  EXPECT_FALSE(report->left_text().empty());
}

TEST_F(RetentionRun, AFaultOfTheStoreEndsTheRun) {
  pruner.fault = Error{Errc::store_corrupt, "damaged"};
  for (const Rules& rules : {Rules{.files = {.all = days{30}}}, Rules{.events = {.all = days{7}}}, Rules{}}) {
    pruner.asked.clear();
    const auto report = run(rules);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Errc::store_corrupt);
    EXPECT_EQ(pruner.asked.size(), 1U);
  }
}

TEST_F(RetentionRun, WhoIsStoppedTakesNoFurtherStep) {
  pruner.add_files("krn:a", 250);
  pruner.cuts.assign(5, {.events = 1, .more = true});
  Retention retention{pruner, *ingest, {.files = {.all = days{30}}, .events = {.all = days{7}}}};
  pruner.at_step = [&] { retention.stop(); };
  const auto report = retention.run(Mode::at_once);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->files, 100);
  EXPECT_EQ(pruner.asked.size(), 1U);
}

}  // namespace
}  // namespace pebbles::retention
