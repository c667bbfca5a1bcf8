#include <gtest/gtest.h>

#include "egress/query/cursor.hpp"
#include "egress/query/etag.hpp"
#include "egress/query/record_json.hpp"

namespace pebbles::query {
namespace {

store::Snapshot a_record() {
  store::Snapshot out;
  out.stream = {.client = domain::ClientKrn{"krn:a"}, .filename = domain::Filename{"ä \"b\".csv"}};
  auto& progress = out.progress;
  progress.version = 3;
  progress.id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255};
  progress.owner = domain::Email{"a@b.c"};
  progress.counts = {.done = 9007199254740991, .warn = 0, .failed = 1};
  progress.created_at = Timestamp{std::chrono::milliseconds{1'700'000'000'001}};
  progress.updated_at = progress.created_at;
  progress.errors.add(domain::ItemList{{{.line = 7, .message = "x"}, {.line = {}, .message = "y"}}});
  return out;
}

TEST(RecordJson, ShowsEveryMember) {
  std::string out;
  append_record(out, a_record(), 1);
  EXPECT_EQ(out, R"({"id":"0102030405060708090a0bff","clientKrn":"krn:a","filename":"ä \"b\".csv","email":"a@b.c",)"
                 R"("counts":{"done":9007199254740991,"warn":0,"failed":1},"total":null,"isCompleted":false,)"
                 R"("createdAt":"2023-11-14T22:13:20.001Z","updatedAt":"2023-11-14T22:13:20.001Z","completedAt":null,)"
                 R"("version":3,"errorCount":2,"warningCount":0,"errors":[{"line":7,"message":"x"}],"warnings":[]})");
  auto record = a_record();
  record.progress.total = 5;
  record.progress.completed = true;
  record.progress.completed_at = record.progress.updated_at;
  out.clear();
  append_record(out, record, 100);
  EXPECT_NE(out.find(R"("total":5,"isCompleted":true)"), out.npos);
  EXPECT_NE(out.find(R"("completedAt":"2023-)"), out.npos);
  EXPECT_NE(out.find(R"({"message":"y"}])"), out.npos);
}

TEST(ETag, ChangesWithWhatIsShown) {
  const auto record = a_record();
  const auto tag = tag_of(record, 100);
  auto other = record;
  other.progress.version = 4;
  EXPECT_NE(tag_of(other, 100), tag);
  other = record;
  other.rev = 1;
  EXPECT_NE(tag_of(other, 100), tag);
  EXPECT_NE(tag_of(record, 99), tag);
  store::ListPage page{.records = {std::make_shared<store::Snapshot>(record)}, .more = false};
  const auto list_tag = tag_of(page, 100);
  page.more = true;
  EXPECT_NE(tag_of(page, 100), list_tag);
}

TEST(ETag, MatchesListsWeakly) {
  const std::string tag = R"("a")";
  for (const auto* yes : {R"("a")", R"(W/"a")", "*", " * ", R"("b", "a")", R"("b","a,b" ,W/"a")", R"(,"a")"})
    EXPECT_TRUE(matches(yes, tag)) << yes;
  for (const auto* no : {"", "a", R"("b")", R"("a)", R"("A")", R"("a,b")", R"(x"a")", R"(w/"a")", R"("b" "a")"})
    EXPECT_FALSE(matches(no, tag)) << no;
}

TEST(Cursor, HoldsForItsListAlone) {
  const domain::ClientKrn client{"krn:a"};
  const domain::ClientKrn other{"krn:b"};
  const std::optional<domain::Email> everyone;
  const std::optional<domain::Email> nobody{domain::Email{""}};
  const std::optional<domain::Email> somebody{domain::Email{"a@b.c"}};
  const store::ListPosition position{.updated_at = Timestamp{std::chrono::milliseconds{1'700'000'000'001}},
                                     .id = {1, 2, 3}};
  const auto cursor = make_cursor({.client = client, .owner = everyone}, position);
  EXPECT_EQ(read_cursor({.client = client, .owner = everyone}, cursor), position);
  EXPECT_FALSE(read_cursor({.client = other, .owner = everyone}, cursor));
  EXPECT_FALSE(read_cursor({.client = client, .owner = nobody}, cursor));
  EXPECT_FALSE(read_cursor({.client = client, .owner = somebody}, cursor));
  EXPECT_FALSE(read_cursor({.client = client, .owner = everyone}, ""));
  EXPECT_FALSE(read_cursor({.client = client, .owner = everyone}, cursor + "A"));
  EXPECT_FALSE(read_cursor({.client = client, .owner = everyone}, std::string_view{cursor}.substr(1)));
  for (std::size_t i = 0; i < cursor.size(); ++i) {
    auto changed = cursor;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(read_cursor({.client = client, .owner = everyone}, changed)) << i;
  }
}

}  // namespace
}  // namespace pebbles::query
