#include "egress/query/cursor.hpp"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <limits>
#include <set>

#include "crypto/base64url.hpp"
#include "crypto/sha256.hpp"
#include "support/memory_store.hpp"

namespace pebbles::query {
namespace {

using std::chrono::milliseconds;
using Numbers = std::vector<std::int64_t>;

const domain::ClientKrn client{"krn:a"};
const Timestamp noon{milliseconds{1'700'000'000'001}};
constexpr auto int64_min = std::numeric_limits<std::int64_t>::min();
constexpr auto int64_max = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t int32_max = std::numeric_limits<std::int32_t>::max();

std::string bytes_of(const Numbers& numbers, std::string_view rest = "") {
  std::string out;
  for (const auto number : numbers)
    for (int shift = 56; shift >= 0; shift -= 8)
      out += static_cast<char>(static_cast<std::uint64_t>(number) >> static_cast<unsigned>(shift));
  return out.append(rest);
}

/// The codec's one place of each kind, behind one face.
struct Kind {
  std::string name;
  CursorScope scope;
  std::string bytes;  ///< of a place
  std::function<bool(const CursorCodec&, const CursorScope&, std::string_view)> reads;
};

store::ListQuery list_by(store::ListOrder order) {
  store::ListQuery out;
  out.sort.by = order;
  return out;
}

std::vector<Kind> kinds() {
  std::vector<Kind> out;
  for (const auto order : {store::ListOrder::updated, store::ListOrder::created, store::ListOrder::filename}) {
    const auto list = list_by(order);
    const store::ListPosition place{.updated_at = noon, .id = {1, 2, 3}, .filename = domain::Filename{"ä \"b\".csv"}};
    out.push_back({"list", scope_of(client, list), *encode(list.sort, place),
                   [list](const CursorCodec& codec, const CursorScope& scope, std::string_view cursor) {
                     return codec.read_list(scope, list, cursor).has_value();
                   }});
  }
  const auto add = [&](std::string name, CursorKind kind, std::string bytes, auto read) {
    out.push_back({std::move(name), CursorScope{kind, client}.add("file"), std::move(bytes),
                   [read](const CursorCodec& codec, const CursorScope& scope, std::string_view cursor) {
                     return (codec.*read)(scope, cursor).has_value();
                   }});
  };
  const ItemPosition item{.version = 7, .index = 3, .seen = 10, .in_life = true};
  add("errors", CursorKind::errors, encode(item), &CursorCodec::read_item);
  add("warnings", CursorKind::warnings, encode(item), &CursorCodec::read_item);
  add("history", CursorKind::history, encode(HistoryPosition{.version = 7, .in_life = true}),
      &CursorCodec::read_history);
  add("feed", CursorKind::feed, encode(store::FeedPosition{.place = 4711, .given = 2}), &CursorCodec::read_feed);
  return out;
}

/// As versions before this one made them: anybody can.
std::string without_a_key(char format, std::string_view label, std::string_view scope, std::string_view place) {
  std::string bytes{format};
  bytes += place;
  const auto digest = crypto::sha256(
      {label, label == "pebbles list cursor" ? scope : bytes, label == "pebbles list cursor" ? bytes : scope});
  bytes.append(reinterpret_cast<const char*>(digest.data()), 8);
  return crypto::to_base64url(bytes);
}

TEST(CursorCodec, ReadsWhatItMadeForTheSameScopeAlone) {
  const CursorCodec codec{{1, 2, 3}};
  const CursorCodec other_key{{1, 2, 4}};
  const auto all = kinds();
  for (const auto& kind : all) {
    const auto cursor = codec.seal(kind.scope, kind.bytes);
    SCOPED_TRACE(kind.name + " " + cursor);
    EXPECT_TRUE(kind.reads(codec, kind.scope, cursor));
    EXPECT_FALSE(kind.reads(other_key, kind.scope, cursor)) << "another key";
    for (const auto& other : all)
      if (other.scope.text() != kind.scope.text()) {
        EXPECT_FALSE(other.reads(codec, other.scope, cursor)) << other.name;
        EXPECT_FALSE(kind.reads(codec, other.scope, cursor)) << other.name;
      }
    EXPECT_FALSE(kind.reads(codec, CursorScope{kind.scope.kind(), domain::ClientKrn{"krn:b"}}.add("file"), cursor));
    for (std::size_t size = 0; size < cursor.size(); ++size)
      EXPECT_FALSE(kind.reads(codec, kind.scope, std::string_view{cursor}.substr(0, size))) << size;
    for (const auto* more : {"A", "AA", "AAAA", "=", "\n", " "})
      EXPECT_FALSE(kind.reads(codec, kind.scope, cursor + more)) << more;
    const auto bytes = *crypto::from_base64url(cursor);
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      auto changed = bytes;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
      EXPECT_FALSE(kind.reads(codec, kind.scope, crypto::to_base64url(changed))) << "bit " << bit;
    }
    // A byte more or less makes another name, but nothing else that there can be.
    const bool has_name = kind.scope.text() == all[2].scope.text();
    for (const auto& bytes_of_another : {kind.bytes.substr(1), kind.bytes + '\0'})
      EXPECT_EQ(kind.reads(codec, kind.scope, codec.seal(kind.scope, bytes_of_another)), has_name);
  }
}

TEST(CursorCodec, RefusesWhatNeededNoKey) {
  const CursorCodec codec{{1, 2, 3}};
  for (const auto& kind : kinds())
    for (const char format : {1, 2, 3})
      for (const auto* label : {"pebbles list cursor", "pebbles place cursor"})
        for (const auto& place : {kind.bytes, bytes_of({7, -1, 3, 1}), bytes_of({7, 1}), bytes_of({})})
          EXPECT_FALSE(kind.reads(codec, kind.scope, without_a_key(format, label, kind.scope.text(), place)));
}

TEST(CursorCodec, DistinguishesLists) {
  const CursorCodec codec{{1, 2, 3}};
  store::ListQuery list;
  std::vector<store::ListQuery> lists;
  const auto add = [&](auto change) { change(lists.emplace_back(list)); };
  add([](auto&) {});
  add([](auto& other) { other.owner = domain::Email{""}; });
  add([](auto& other) { other.owner = domain::Email{"a@b.c"}; });
  add([](auto& other) { other.status = store::ListStatus::running; });
  add([](auto& other) { other.status = store::ListStatus::completed; });
  add([](auto& other) { other.filename_prefix = "a"; });
  add([](auto& other) { other.created_after = noon; });
  add([](auto& other) { other.created_after = noon + milliseconds{1}; });
  add([](auto& other) { other.updated_after = noon; });
  add([](auto& other) { other.sort.descending = false; });
  add([](auto& other) { other.sort.by = store::ListOrder::created; });
  add([](auto& other) { other.sort.by = store::ListOrder::filename; });
  for (const auto& mine : lists) {
    store::ListPosition position{.updated_at = {}, .id = {1, 2, 3}};
    if (mine.sort.by == store::ListOrder::updated) position.updated_at = noon;
    if (mine.sort.by == store::ListOrder::filename) position.filename = domain::Filename{"a.csv"};
    const auto cursor = codec.make(scope_of(client, mine), mine.sort, position);
    EXPECT_EQ(codec.read_list(scope_of(client, mine), mine, cursor), position);
    EXPECT_EQ(codec.make(scope_of(client, mine), mine.sort, position), cursor) << "an ETag depends on it";
    for (const auto& other : lists)
      EXPECT_EQ(codec.read_list(scope_of(client, other), other, cursor).has_value(), &other == &mine);
    auto another_page = mine;
    another_page.limit = 7;
    another_page.after = position;
    another_page.stalled_before = noon;
    EXPECT_EQ(codec.read_list(scope_of(client, another_page), another_page, cursor), position);
  }
}

TEST(CursorCodec, AFeedsCursorTellsNothing) {
  const CursorCodec codec{{1, 2, 3}};
  const CursorScope scope{CursorKind::feed, client};
  std::set<std::string> seen;
  for (std::int64_t place = 1; place <= 100; ++place)
    for (int again = 0; again < 2; ++again) {
      const auto cursor = codec.make(scope, store::FeedPosition{.place = place});
      EXPECT_EQ(codec.read_feed(scope, cursor)->place, place);
      EXPECT_EQ(cursor.size(), 55U);
      const auto bytes = *crypto::from_base64url(cursor);
      EXPECT_TRUE(seen.insert(bytes.substr(1, 16)).second && seen.insert(bytes.substr(17)).second)
          << "one place twice is told from two places";
    }
  const store::FeedPosition own{.place = 7, .given = 1};  // behind one of the tenant's events
  EXPECT_EQ(codec.make(scope, own), codec.make(scope, own));
  EXPECT_EQ(codec.make(scope, own).size(), 55U);
}

TEST(Places, AreCheckedWhereTheyAreDecoded) {
  const auto year_0 = (Timestamp{std::chrono::sys_days{std::chrono::year{0} / 1 / 1}}).time_since_epoch().count();
  const auto year_10_000 =
      (Timestamp{std::chrono::sys_days{std::chrono::year{10'000} / 1 / 1}}).time_since_epoch().count();
  const std::string id(12, '\x07'), no("\0", 1), yes("\1", 1), two("\2", 1);
  const auto item = [](const std::string& bytes) { return decode_item(bytes).has_value(); };
  const auto history = [](const std::string& bytes) { return decode_history(bytes).has_value(); };
  const auto feed = [](const std::string& bytes) { return decode_feed(bytes).has_value(); };
  const auto list = [](store::ListOrder order, std::string prefix = "") {
    auto query = list_by(order);
    query.filename_prefix = std::move(prefix);
    return [query](const std::string& bytes) { return decode_list(query, bytes).has_value(); };
  };
  struct Case {
    std::function<bool(const std::string&)> decodes;
    std::string bytes;
    bool good;
  };
  const auto& updated = store::ListOrder::updated;
  const auto& created = store::ListOrder::created;
  const auto& filename = store::ListOrder::filename;
  int number = 0;
  for (const auto& [decodes, bytes, good] : {
           Case{item, bytes_of({0, 0, 0}, no), true},
           {item, bytes_of({domain::count_max, int32_max, domain::count_max}, yes), true},
           {item, bytes_of({-1, 0, 0}, no), false},
           {item, bytes_of({domain::count_max + 1, 0, 0}, no), false},
           {item, bytes_of({int64_max, 0, 0}, no), false},
           {item, bytes_of({1, -1, 0}, no), false},
           {item, bytes_of({1, int64_min, 0}, no), false},
           {item, bytes_of({1, int32_max + 1, domain::count_max}, no), false},
           {item, bytes_of({1, 2, 1}, no), false},
           {item, bytes_of({1, 0, -1}, no), false},
           {item, bytes_of({1, 0, domain::count_max + 1}, no), false},
           {item, bytes_of({1, 0, 0}, two), false},
           {item, bytes_of({1, 0, 0}, "\xff"), false},
           {item, bytes_of({1, 0, 0}), false},
           {item, bytes_of({1, 0, 0}, no + no), false},
           {item, "", false},
           {history, bytes_of({0}, no), true},
           {history, bytes_of({domain::count_max}, yes), true},
           {history, bytes_of({-1}, no), false},
           {history, bytes_of({int64_min}, no), false},
           {history, bytes_of({domain::count_max + 1}, no), false},
           {history, bytes_of({1}, two), false},
           {history, bytes_of({1}, yes + yes), false},
           {history, "", false},
           {feed, bytes_of({0, 0}), true},
           {feed, bytes_of({int64_max, int32_max}), true},
           {feed, bytes_of({-1, 0}), false},
           {feed, bytes_of({int64_min, 1}), false},
           {feed, bytes_of({0, 1}), false},
           {feed, bytes_of({1, -1}), false},
           {feed, bytes_of({1, int32_max + 1}), false},
           {feed, bytes_of({1, 1}, no), false},
           {feed, bytes_of({1}), false},
           {list(updated), bytes_of({year_0}, id), true},
           {list(updated), bytes_of({year_10_000 - 1}, id), true},
           {list(updated), bytes_of({year_0 - 1}, id), false},
           {list(updated), bytes_of({year_10_000}, id), false},
           {list(updated), bytes_of({int64_min}, id), false},
           {list(updated), bytes_of({int64_max}, id), false},
           {list(updated), bytes_of({0}, id + no), false},
           {list(updated), bytes_of({0}), false},
           {list(created), id, true},
           {list(created), id + no, false},
           {list(created), id.substr(1), false},
           {list(filename), id + "x", true},
           {list(filename), id, false},
           {list(filename, "ab"), id + "abc", true},
           {list(filename, "ab"), id + "a", false},
           {list(filename, "ab"), id + "ba", false},
       }) {
    EXPECT_EQ(decodes(bytes), good) << "case " << number;
    ++number;
  }
}

TEST(Places, AreReadAsTheyWereWritten) {
  const ItemPosition item{.version = 1, .index = 2, .seen = 3, .in_life = true};
  EXPECT_EQ(decode_item(encode(item)), item);
  const HistoryPosition history{.version = 4, .in_life = true};
  EXPECT_EQ(decode_history(encode(history)), history);
  const store::FeedPosition feed{.place = int64_max, .given = 5};
  EXPECT_EQ(decode_feed(encode(feed)), feed);
}

TEST(Places, ATimeThatNoCursorNamesLeadsNoListBack) {
  const Timestamp far{milliseconds{int64_max}}, long_ago{milliseconds{int64_min}};
  const auto leads_on = [](bool descending, Timestamp time) {
    const store::ListSort sort{.by = store::ListOrder::updated, .descending = descending};
    const auto bytes = encode(sort, {.updated_at = time, .id = {1}});
    store::ListQuery query;
    query.sort = sort;
    EXPECT_TRUE(!bytes || decode_list(query, *bytes));
    return bytes.has_value();
  };
  EXPECT_TRUE(leads_on(true, noon) && leads_on(false, noon));
  EXPECT_TRUE(leads_on(true, far) && leads_on(false, long_ago));
  EXPECT_FALSE(leads_on(false, far) || leads_on(true, long_ago));
}

TEST(Cursors, WaitForTheKeyAndKeepIt) {
  support::MemoryLog log;
  support::MemoryReader reader{log};
  const auto key = std::exchange(log.cursor_key, std::nullopt);
  Cursors cursors{reader};
  ASSERT_FALSE(cursors.codec());
  EXPECT_EQ(cursors.codec().error().code, Errc::store_unavailable);
  log.cursor_key = key;
  const CursorScope scope{CursorKind::history, client};
  const auto cursor = cursors.codec().value()->make(scope, HistoryPosition{.version = 1});
  EXPECT_TRUE(CursorCodec{*key}.read_history(scope, cursor));
  log.cursor_key.reset();
  EXPECT_TRUE(cursors.codec().value()->read_history(scope, cursor));
}

}  // namespace
}  // namespace pebbles::query
