#include <fmt/format.h>

#include <random>

#include "contract/finding_contract.hpp"

/// What lists find and what summaries count: the same on every store, and what the plain rules say.
namespace pebbles::contract {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using store::ListOrder;
using store::ListQuery;
using store::ListStatus;

const auto ann = "ann@example.com";
const auto bob = "bob@example.com";

TEST_P(FindingContract, FilesByWhatTheyAre) {
  make("plain", {.at = t0});
  make("done", {.at = t0 + seconds{1}, .is_last = true});
  make("failed-row", {.by = bob, .at = t0 + seconds{2}, .counts = {.failed = 1}});
  make("error", {.at = t0 + seconds{3}, .errors = {{.line = 1, .message = "e"}}});
  make("warn-row", {.at = t0 + seconds{4}, .counts = {.warn = 1}});
  make("warning", {.at = t0 + seconds{5}, .is_last = true, .warnings = {{.line = 1, .message = "w"}}});
  make("both", {.at = t0 + seconds{6}, .counts = {.warn = 1, .failed = 1}, .is_last = true});
  make("plain", {.at = t0 + seconds{7}}, "krn:acme2");
  go_on("plain", {.at = t0 + seconds{8}});
  struct Row {
    ListQuery query;
    std::vector<std::string> names;
  };
  using enum ListStatus;
  const auto later = t0 + seconds{4};
  const std::vector<Row> rows{
      {{.status = running}, {"plain", "warn-row", "error", "failed-row"}},
      {{.status = completed}, {"both", "warning", "done"}},
      {{.status = with_errors}, {"both", "error", "failed-row"}},
      {{.status = with_warnings}, {"both", "warning", "warn-row"}},
      {{.status = stalled, .stalled_before = t0}, {}},
      {{.status = stalled, .stalled_before = later}, {"error", "failed-row"}},
      {{.status = stalled, .stalled_before = t0 + seconds{9}}, {"plain", "warn-row", "error", "failed-row"}},
      {{.filename_prefix = "warn"}, {"warning", "warn-row"}},
      {{.filename_prefix = "warn-row"}, {"warn-row"}},
      {{.filename_prefix = "warn-rows"}, {}},
      {{.filename_prefix = "WARN"}, {}},
      {{.filename_prefix = "%"}, {}},
      {{.filename_prefix = "warn", .sort = {.by = ListOrder::filename}}, {"warning", "warn-row"}},
      {{.filename_prefix = "warn", .sort = {.by = ListOrder::filename, .descending = false}}, {"warn-row", "warning"}},
      {{.created_after = later}, {"both", "warning"}},
      {{.created_after = later, .sort = {.by = ListOrder::created, .descending = false}}, {"warning", "both"}},
      {{.created_after = later, .sort = {.by = ListOrder::filename, .descending = false}}, {"both", "warning"}},
      {{.updated_after = later}, {"plain", "both", "warning"}},
      {{.updated_after = later, .sort = {.descending = false}}, {"warning", "both", "plain"}},
      {{.updated_after = later, .sort = {.by = ListOrder::created}}, {"both", "warning", "plain"}},
      {{.created_after = t0, .updated_after = later}, {"both", "warning"}},
      {{.owner = domain::Email{bob}}, {"failed-row"}},
      {{.owner = domain::Email{bob}, .status = completed}, {}},
      {{.owner = domain::Email{bob}, .sort = {.by = ListOrder::filename}}, {"failed-row"}},
      {{.owner = domain::Email{ann}, .status = with_errors, .filename_prefix = "b"}, {"both"}},
      {{.sort = {.by = ListOrder::created}}, {"both", "warning", "warn-row", "error", "failed-row", "done", "plain"}},
      {{.sort = {.descending = false}}, {"done", "failed-row", "error", "warn-row", "warning", "both", "plain"}}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto query = rows[i].query;
    query.limit = 10;
    EXPECT_EQ(found(query), rows[i].names) << "row " << i;
    query.limit = 1;
    EXPECT_EQ(walk(query), rows[i].names) << "row " << i << ", page by page";
  }
}

TEST_P(FindingContract, NamesInTheOrderOfTheirBytes) {
  for (const auto* name : {"a", "A", "ab", "b", "ä", "a\xf4\x8f\xbf\xbf", "a\xf4\x8f\xbf\xbf!", "a\xed\x9f\xbf",
                           "a\xee\x80\x80", "a*", "a ", "\xf4\x8f\xbf\xbf"})
    make(name, {.at = t0});
  for (const auto* prefix : {"", "a", "ab", "abc", "a\xed\x9f\xbf", "a\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf", "a*", "*"})
    for (const bool descending : {false, true})
      for (const std::size_t limit : {1U, 3U, 100U}) {
        const ListQuery query{
            .limit = limit, .filename_prefix = prefix, .sort = {.by = ListOrder::filename, .descending = descending}};
        EXPECT_EQ(walk(query), expected(query)) << prefix;
      }
}

TEST_P(FindingContract, APageLooksAtNoMoreThanItMay) {
  for (int i = 0; i < 40; ++i)
    make(fmt::format("{}-{:02}", i % 20 == 7 ? "rare" : "usual", i), {.at = t0 + seconds{i / 3}});
  for (const auto by : {ListOrder::updated, ListOrder::created})
    for (const bool descending : {false, true}) {
      ListQuery query{
          .limit = 100, .filename_prefix = "rare", .sort = {.by = by, .descending = descending}, .examined_max = 10};
      EXPECT_EQ(walk(query), expected(query));
      std::size_t pages = 1, empty = 0;
      for (auto page = fixture->reader().list(acme, query); page && page->next; ++pages) {
        query.after = page->next;
        empty += page->records.empty() ? 1 : 0;
        page = fixture->reader().list(acme, query);
      }
      EXPECT_GE(pages, fixture->lists_tables_alone() ? 4 : 1);
      EXPECT_GE(empty, fixture->lists_tables_alone() ? 1 : 0) << "a page may be empty, and not the last one";
    }
}

/// Drawn files and questions, page by page, against the plain rules.
TEST_P(FindingContract, WhatThePlainRulesFind) {
  std::mt19937_64 random{7};
  const auto draw = [&](std::uint64_t below) { return static_cast<int>(random() % below); };
  for (int i = 0; i < 120; ++i) {
    Told told{.by = draw(3) == 0 ? bob : ann, .at = t0 + milliseconds{100 * draw(60)}, .is_last = draw(3) == 0};
    if (draw(4) == 0) told.errors = {{.line = 1, .message = "e"}};
    if (draw(4) == 0) told.counts.warn = 1;
    make(fmt::format("{}{}", "abc"[draw(3)], i), told);
  }
  for (int round = 0; round < 60; ++round) {
    const auto& name = expected({.limit = 1, .status = ListStatus::running});
    const auto& state = states["krn:acme/" + name[static_cast<std::size_t>(draw(name.size()))]];
    go_on(*state->stream.filename, {.at = state->progress.updated_at + milliseconds{50 * draw(9)}});
    ListQuery query{.limit = static_cast<std::size_t>(1 + draw(30))};
    if (draw(3) == 0) query.owner = domain::Email{bob};
    if (draw(2) == 0) query.status = static_cast<ListStatus>(draw(5));
    query.stalled_before = t0 + milliseconds{100 * draw(60)};
    if (draw(3) == 0) query.filename_prefix = std::string(1, "abc"[draw(3)]);
    if (draw(3) == 0) query.created_after = t0 + milliseconds{100 * draw(60)};
    if (draw(3) == 0) query.updated_after = t0 + milliseconds{100 * draw(60)};
    query.sort = {.by = static_cast<ListOrder>(draw(3)), .descending = draw(2) == 0};
    query.examined_max = static_cast<std::size_t>(1 + draw(50));
    ASSERT_EQ(walk(query), expected(query)) << "round " << round;
  }
}

TEST_P(FindingContract, SummariesFollowEveryUpdate) {
  expect_summary(t0);
  make("other", {.at = t0, .is_last = true}, "krn:acme2");
  for (int i = 0; i < 12; ++i) make(fmt::format("{}", i), {.at = t0 + seconds{i}, .is_last = i % 5 == 4});
  expect_summary(t0 + seconds{6});
  go_on("0", {.at = t0 + seconds{20}, .errors = {{.line = 1, .message = "e"}}});
  go_on("1", {.at = t0 + seconds{20}, .counts = {.failed = 1}});
  expect_summary(t0 + seconds{6});
  go_on("0", {.at = t0 + seconds{21}, .errors = {{.line = 2, .message = "e"}}});
  go_on("2", {.at = t0 + seconds{21}, .counts = {.warn = 1}});
  expect_summary(t0 + seconds{21});
  go_on("0", {.at = t0 + seconds{22}, .is_last = true, .warnings = {{.line = 2, .message = "w"}}});
  expect_summary(t0 + seconds{22});
  fixture->reopen();
  expect_summary(t0 + seconds{22});
  expect_summary(t0);
}

}  // namespace
}  // namespace pebbles::contract
