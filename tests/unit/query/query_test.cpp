#include <gtest/gtest.h>

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
  append_record(out, a_record(), {.percent_tenths = {}, .rate_thousandths = {}, .eta_seconds = {}, .idle_seconds = 3},
                1);
  EXPECT_EQ(out,
            R"({"id":"0102030405060708090a0bff","clientKrn":"krn:a","filename":"ä \"b\".csv","email":"a@b.c",)"
            R"("counts":{"done":9007199254740991,"warn":0,"failed":1},"total":null,"isCompleted":false,)"
            R"("createdAt":"2023-11-14T22:13:20.001Z","updatedAt":"2023-11-14T22:13:20.001Z","completedAt":null,)"
            R"("version":3,"errorCount":2,"warningCount":0,"percent":null,"ratePerSecond":null,)"
            R"("etaSeconds":null,"idleSeconds":3,"stalled":false,"errors":[{"line":7,"message":"x"}],"warnings":[]})");
  auto record = a_record();
  record.progress.total = 5;
  record.progress.completed = true;
  record.progress.completed_at = record.progress.updated_at;
  out.clear();
  append_record(
      out, record,
      {.percent_tenths = 995, .rate_thousandths = 12'034, .eta_seconds = 7, .idle_seconds = {}, .stalled = true}, 100);
  EXPECT_NE(out.find(R"("total":5,"isCompleted":true)"), out.npos);
  EXPECT_NE(out.find(R"("completedAt":"2023-)"), out.npos);
  EXPECT_NE(out.find(R"({"message":"y"}])"), out.npos);
  EXPECT_NE(out.find(R"("percent":99.5,"ratePerSecond":12.034,"etaSeconds":7,"idleSeconds":null,"stalled":true)"),
            out.npos);
}

TEST(RecordJson, WritesPartsAsTheShortestNumber) {
  struct Row {
    std::int64_t number;
    std::int64_t parts;
    std::string_view text;
  };
  for (const auto& [number, parts, text] :
       {Row{0, 10, "0"}, Row{1, 10, "0.1"}, Row{1000, 10, "100"}, Row{1, 1000, "0.001"}, Row{10, 1000, "0.01"},
        Row{1500, 1000, "1.5"}, Row{12'030, 1000, "12.03"},
        Row{9'007'199'254'740'990'999, 1000, "9007199254740990.999"}}) {
    std::string out;
    append_parts(out, number, parts);
    EXPECT_EQ(out, text);
  }
}

TEST(ETag, ChangesWithWhatIsShown) {
  const auto record = a_record();
  const TagScope scope{.items_max = 100, .stalled_before = record.progress.updated_at};
  const auto tag = tag_of(record, scope);
  auto other = record;
  other.progress.version = 4;
  EXPECT_NE(tag_of(other, scope), tag);
  other = record;
  other.rev = 1;
  EXPECT_NE(tag_of(other, scope), tag);
  EXPECT_NE(tag_of(record, {.items_max = 99, .stalled_before = scope.stalled_before}), tag);
  const TagScope later{.items_max = 100, .stalled_before = scope.stalled_before + std::chrono::milliseconds{1}};
  EXPECT_NE(tag_of(record, later), tag) << "it is stalled now";
  EXPECT_EQ(tag_of(record, {.items_max = 100, .stalled_before = later.stalled_before + std::chrono::hours{1}}),
            tag_of(record, later));
  const store::ListPage page{.records = {std::make_shared<store::Snapshot>(record)}, .next = {}};
  const auto list_tag = tag_of(page, "", scope);
  EXPECT_NE(tag_of(page, "?cursor=x", scope), list_tag);
  EXPECT_NE(tag_of(page, "", later), list_tag);
}

TEST(ETag, MatchesListsWeakly) {
  const std::string tag = R"("a")";
  for (const auto* yes : {R"("a")", R"(W/"a")", "*", " * ", R"("b", "a")", R"("b","a,b" ,W/"a")", R"(,"a")"})
    EXPECT_TRUE(matches(yes, tag)) << yes;
  for (const auto* no : {"", "a", R"("b")", R"("a)", R"("A")", R"("a,b")", R"(x"a")", R"(w/"a")", R"("b" "a")"})
    EXPECT_FALSE(matches(no, tag)) << no;
}

}  // namespace
}  // namespace pebbles::query
