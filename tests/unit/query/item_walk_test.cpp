#include "egress/query/item_walk.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "egress/query/item_text.hpp"

namespace pebbles::query {
namespace {

/// One file's events, at most `per_page` a page.
class Events final : public store::ProgressReader {
 public:
  Result<store::ClientSummary> summary(const domain::ClientKrn&, Timestamp) override { return {}; }
  Result<store::EventPage> events(const store::StreamId&, store::Version after,
                                  const store::PageBounds& bounds) override {
    store::EventPage page;
    for (const auto& event : kept)
      if (event.version > after && page.events.size() < std::min(per_page, bounds.events)) page.events.push_back(event);
    ++reads;
    return page;
  }
  Result<store::SnapshotPtr> by_filename(const store::StreamId&) override { return nullptr; }
  Result<store::SnapshotPtr> by_id(const domain::ClientKrn&, const domain::FileId&) override { return nullptr; }
  Result<store::ListPage> list(const domain::ClientKrn&, const store::ListQuery&) override { return {}; }
  Result<store::FeedPage> client_events(const domain::ClientKrn&, const store::FeedQuery&) override { return {}; }
  Result<std::int64_t> feed_end() override { return 0; }
  Result<store::TailPage> tail(store::TailCursor, std::size_t) override { return {}; }
  Result<store::CursorKey> cursor_key() override { return store::CursorKey{}; }
  Result<void> ping() override { return {}; }

  /// Errors are named after the event and their place: "2.1" is the first of event 2.
  void happened(std::size_t errors, std::optional<domain::FileId> id = {}) {
    domain::ProgressEvent event;
    event.version = last() + 1;
    event.id = id;
    std::vector<domain::Item> items;
    for (std::size_t i = 1; i <= errors; ++i)
      items.push_back({.message = std::to_string(event.version) + "." + std::to_string(i)});
    domain::Reported reported;
    reported.errors = domain::ItemList{std::move(items)};
    event.what = std::move(reported);
    kept.push_back(std::move(event));
  }
  [[nodiscard]] store::SnapshotPtr file(const domain::FileId& id, std::int64_t errors) const {
    auto out = std::make_shared<store::Snapshot>();
    out->progress.id = id;
    out->progress.owner = domain::Email{"a@b.c"};
    out->progress.version = last();
    out->progress.errors.count = errors;
    return out;
  }

  /// Retention takes all up to `version`, but for the first `items` errors.
  void cut(store::Version version, std::size_t items) {
    std::vector<domain::Item> first;
    auto next = kept.begin();
    for (; next != kept.end() && next->version <= version; ++next)
      for (const auto& item : std::get<domain::Reported>(next->what).errors)
        if (first.size() < items) first.push_back(item);
    auto state = std::make_shared<domain::Progress>();
    state->errors.first = domain::ItemList{std::move(first)};
    domain::ProgressEvent baseline;
    baseline.version = version;
    baseline.id = kept.front().id;
    baseline.what = domain::Baseline{.state = std::move(state)};
    kept.erase(kept.begin(), next);
    kept.insert(kept.begin(), std::move(baseline));
  }
  [[nodiscard]] store::Version last() const { return kept.empty() ? 0 : kept.back().version; }

  std::vector<domain::ProgressEvent> kept;
  std::size_t per_page = 1000;
  int reads = 0;
};

constexpr domain::FileId one{1}, two{2};

/// Walks from a position, over at most `items_max`; tells the names, and the position behind; "gone" where it fails.
std::string walk(Events& events, const store::SnapshotPtr& file, ItemPosition& at, std::size_t items_max = SIZE_MAX) {
  ItemWalk walk{events, file, ItemKind::errors, at, 1000};
  std::string seen;
  for (std::size_t items = 0; items < items_max;) {
    const auto step = walk.next();
    if (!step) {
      EXPECT_EQ(step.error().code, Errc::not_found);
      return seen + "gone";
    }
    if (*step == ItemWalk::Step::end) break;
    if (*step == ItemWalk::Step::pause) continue;
    seen += walk.item().message + " ";
    ++items;
  }
  at = walk.position();
  return seen;
}

TEST(ItemWalk, GoesOnFromAnyPlace) {
  Events events;
  for (const std::size_t errors : {2, 0, 0, 3, 1, 0})
    events.happened(errors, events.kept.empty() ? std::optional{one} : std::nullopt);
  const auto file = events.file(one, 6);
  const std::string all = "1.1 1.2 4.1 4.2 4.3 5.1 ";
  for (const std::size_t per_page : {1U, 2U, 5U, 1000U}) {
    events.per_page = per_page;
    for (std::size_t items = 1; items <= 7; ++items) {
      ItemPosition at;
      std::string seen;
      for (int pages = 0; pages < 7; ++pages) seen += walk(events, file, at, items);
      EXPECT_EQ(seen, all) << per_page << ' ' << items;
    }
  }
}

TEST(ItemWalk, ShowsTheLifeThatIsAskedForAndNoOther) {
  Events events;
  events.happened(2, one);
  events.happened(1);
  events.happened(1, two);
  events.happened(2);
  events.per_page = 1;
  ItemPosition first, second;
  EXPECT_EQ(walk(events, events.file(one, 3), first), "1.1 1.2 2.1 ");
  EXPECT_EQ(walk(events, events.file(two, 3), second), "3.1 4.1 4.2 ");
  // A page that ended before the life began goes on before it.
  ItemWalk short_one{events, events.file(two, 3), ItemKind::errors, {}, 1};
  EXPECT_EQ(short_one.next().value(), ItemWalk::Step::pause);
  EXPECT_EQ(short_one.next().value(), ItemWalk::Step::pause);
  auto at = short_one.position();
  EXPECT_FALSE(at.in_life);
  EXPECT_EQ(walk(events, events.file(two, 3), at), "3.1 4.1 4.2 ");
}

TEST(ItemWalk, ReadsNoMoreOnceAllWereSeen) {
  Events events;
  events.happened(2, one);
  for (int i = 0; i < 100; ++i) events.happened(0);
  events.per_page = 1;
  ItemPosition at;
  EXPECT_EQ(walk(events, events.file(one, 2), at), "1.1 1.2 ");
  EXPECT_EQ(events.reads, 1);
  EXPECT_EQ(walk(events, events.file(one, 2), at), "");
  EXPECT_EQ(events.reads, 1);
}

TEST(ItemWalk, AFileOfBeforeTheLogHasWhatIsKept) {
  Events events;
  auto file = std::make_shared<store::Snapshot>(*events.file(one, 5));
  file->progress.errors.first = domain::ItemList{{{.message = "x"}, {.message = "y"}}};
  ItemPosition at;
  EXPECT_EQ(walk(events, file, at, 1), "x ");
  EXPECT_EQ(walk(events, file, at), "y ");
  EXPECT_EQ(walk(events, file, at), "");
}

TEST(ItemWalk, APlaceThatRetentionTookIsGone) {
  struct Case {
    std::size_t items;  ///< were read before
    store::Version cut;
    std::size_t kept;
    std::string_view rest;
  };
  for (const auto& [items, cut, kept, rest] : {
           Case{0, 3, 2, "1.1 1.2 4.1 4.2 5.1 "},          // a first page
           {1, 3, 2, "gone"},                              // more was cut than was read
           {3, 3, 2, "gone"},                              // the same, at an event's end
           {3, 1, 2, "2.1 2.2 2.3 4.1 4.2 5.1 "},          // exactly at the end of the baseline
           {1, 1, 3, "1.2 1.3 2.1 2.2 2.3 4.1 4.2 5.1 "},  // inside of the only event that was cut, all kept
           {2, 1, 1, "gone"},                              // the same, and fewer kept than were read
           {4, 2, 6, "gone"},                              // inside of the last event that was cut, others before
           {7, 2, 2, "4.2 5.1 "},                          // behind all that was cut
           {7, 4, 2, "gone"},
           {9, 5, 2, ""},  // everything was read
       }) {
    for (const std::size_t per_page : {1U, 1000U}) {
      Events events;
      for (const std::size_t errors : {3, 3, 0, 2, 1})
        events.happened(errors, events.kept.empty() ? std::optional{one} : std::nullopt);
      events.per_page = per_page;
      const auto file = events.file(one, 9);
      ItemPosition at;
      walk(events, file, at, items);
      events.cut(cut, kept);
      const bool is_gone = rest == "gone";
      EXPECT_EQ((ItemWalk{events, file, ItemKind::errors, at, 1000}.begin().has_value()), !is_gone)
          << items << ' ' << cut;
      EXPECT_EQ(walk(events, file, at), rest) << items << ' ' << cut;
    }
  }
}

TEST(ItemWalk, AWalkThatIsOvertakenByRetentionFails) {
  Events events;
  for (const std::size_t errors : {1, 1, 1, 1}) events.happened(errors, one);
  events.per_page = 1;
  ItemWalk walk{events, events.file(one, 4), ItemKind::errors, {}, 1000};
  EXPECT_EQ(walk.next().value(), ItemWalk::Step::pause);
  EXPECT_EQ(walk.next().value(), ItemWalk::Step::item);
  events.cut(3, 2);
  EXPECT_FALSE(walk.next());
}

TEST(ItemWalk, WhereNothingWasSeenYetABaselineIsTheBeginning) {
  for (const store::Version cut : {2, 3}) {
    Events events;
    for (const std::size_t errors : {0, 0, 2}) events.happened(errors, one);
    events.per_page = 1;
    const auto file = events.file(one, 2);
    ItemWalk short_one{events, file, ItemKind::errors, {}, 1};
    EXPECT_EQ(short_one.next().value(), ItemWalk::Step::pause);
    EXPECT_EQ(short_one.next().value(), ItemWalk::Step::pause);
    auto at = short_one.position();
    EXPECT_GT(at.version, 0);
    events.cut(cut, 2);
    EXPECT_EQ(walk(events, file, at), "3.1 3.2 ") << cut;
  }
}

TEST(ItemWalk, TellsTheBaselineWithWhichItsPageBegins) {
  Events events;
  for (const std::size_t errors : {1, 1, 1, 1}) events.happened(errors, one);
  const auto file = events.file(one, 4);
  const auto baseline = [&](const ItemPosition& from) {
    ItemWalk walk{events, file, ItemKind::errors, from, 1000};
    EXPECT_TRUE(walk.begin());
    return walk.baseline();
  };
  EXPECT_EQ(baseline({}), 0);
  events.cut(3, 2);
  EXPECT_EQ(baseline({}), 3);
  EXPECT_EQ(baseline({.version = 3, .seen = 3}), 0);
}

TEST(ItemWalk, APlaceThatTheFileDoesNotHave) {
  struct Case {
    ItemPosition from;
    std::string_view rest;
  };
  constexpr std::int64_t version_max = domain::count_max, index_max = std::numeric_limits<std::int32_t>::max();
  for (const auto& [from, rest] : {
           Case{{.version = 1, .index = 2, .seen = 2, .in_life = true}, "3.1 3.2 4.1 "},
           {{.version = 1, .index = 3, .seen = 3, .in_life = true}, "gone"},
           {{.version = 2, .index = 1, .seen = 1, .in_life = true}, "gone"},  // it has none
           {{.version = 3, .index = index_max, .seen = 1, .in_life = true}, "gone"},
           {{.version = 3, .index = index_max, .seen = 1, .in_life = false}, "gone"},
           {{.version = 0, .index = 1, .seen = 1}, "1.2 3.1 3.2 4.1 "},  // the file had no log then
           {{.version = 0, .index = index_max, .seen = index_max}, ""},
           {{.version = 4, .index = 0, .seen = 0, .in_life = true}, ""},
           {{.version = 5, .index = 1, .seen = 1, .in_life = true}, "gone"},
           {{.version = 6, .index = 1, .seen = 1, .in_life = true}, ""},
           {{.version = version_max, .index = 0, .seen = 0, .in_life = true}, ""},
           {{.version = version_max, .index = index_max, .seen = version_max, .in_life = true}, ""},
           {{.version = 2, .index = 0, .seen = version_max, .in_life = true}, ""},
       }) {
    for (const std::size_t per_page : {1U, 1000U}) {
      Events events;
      for (const std::size_t errors : {2, 0, 2, 1, 0})
        events.happened(errors, events.kept.empty() ? std::optional{one} : std::nullopt);
      events.per_page = per_page;
      auto at = from;
      EXPECT_EQ(walk(events, events.file(one, 5), at), rest) << from.version << ' ' << from.index << ' ' << per_page;
    }
  }
}

TEST(ItemWalk, AFileWithoutALogEndsBehindWhatIsKept) {
  Events events;
  auto file = std::make_shared<store::Snapshot>(*events.file(one, 5));
  file->progress.errors.first = domain::ItemList{{{.message = "x"}, {.message = "y"}}};
  for (const std::int64_t index : {2, 3, std::numeric_limits<std::int32_t>::max()}) {
    ItemWalk walk{events, file, ItemKind::errors, {.version = 0, .index = index, .seen = index}, 1000};
    EXPECT_EQ(walk.begin().has_value(), index == 2) << index;
    EXPECT_EQ(walk.next().value(), ItemWalk::Step::end) << index;
  }
}

TEST(CsvText, IsQuotedAndHarmless) {
  struct Case {
    std::string_view text;
    std::string_view field;
  };
  for (const auto& [text, field] : {
           Case{"", ""},
           {"plain", "plain"},
           {"a,b", R"("a,b")"},
           {R"(say "hi")", R"("say ""hi""")"},
           {"a\nb", "\"a\nb\""},
           {" a", "\" a\""},
           {"=1+1", R"("'=1+1")"},
           {"-1+1", R"("'-1+1")"},
           {"@x", R"("'@x")"},
           {"\tx", "\"'\tx\""},
           {"a;b", R"("a;b")"},
           {"a\tb", "\"a\tb\""},
           {";", R"(";")"},
           // Another cell, or row, where a semicolon or a tab separates: quotes inside of a cell say nothing there.
           {"x;=1+1;y", R"("x;'=1+1;y")"},
           {";@x", R"(";'@x")"},
           {"a;+1;-1;b-1", R"("a;'+1;'-1;b-1")"},
           {"a\t=1", "\"a\t'=1\""},
           {"a\n=1", "\"a\n'=1\""},
           {"a\r\n-a", "\"a\r\n'-a\""},
           {"\t=1", "\"'\t'=1\""},
           {"=1;=2", R"("'=1;'=2")"},
           {R"(a;"=1&")", R"("a;""'=1&""")"},
           {"a;\xef\xbc\x9d"
            "1",
            "\"a;'\xef\xbc\x9d"
            "1\""},
           {"a; =1", R"("a;' =1")"},
           {"-12.5", "-12.5"},
           {"+1", "+1"},
           {"-1,5", R"("-1,5")"},
           {"-1e-9", "-1e-9"},
           {"-1-1", R"("'-1-1")"},
           {"-1.5.2", R"("'-1.5.2")"},
           {"-", R"("'-")"},
           {"-.", R"("'-.")"},
           {"-1;2", R"("'-1;2")"},
           {std::string_view{"\0=1", 3}, std::string_view{"\"'\0=1\"", 6}},
           {" =1", R"("' =1")"},
           {"\xef\xbb\xbf=1", "\"'\xef\xbb\xbf=1\""},                          // U+FEFF
           {"\xe2\x80\x8b\xe2\x80\x8b@a", "\"'\xe2\x80\x8b\xe2\x80\x8b@a\""},  // U+200B twice
           {"\xc2\xa0\xe2\x80\xae+a", "\"'\xc2\xa0\xe2\x80\xae+a\""},          // U+00A0, U+202E
           {"\xe2\x80\x8bx", "\xe2\x80\x8bx"},
           {"a,=1", R"("a,=1")"},
           {"\rx", "\"'\rx\""},
           {"=\"x\"", R"("'=""x""")"},
           {"\xef\xbc\x9d"
            "1",
            "\"'\xef\xbc\x9d"
            "1\""},
           {"a=1", "a=1"},
           {"'x'", "'x'"},
       }) {
    std::string out;
    append_csv_text(out, text);
    EXPECT_EQ(out, field) << text;
  }
}

}  // namespace
}  // namespace pebbles::query
