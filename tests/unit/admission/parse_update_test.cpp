#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "admission/update.hpp"
#include "support/text.hpp"

namespace pebbles::admission {
namespace {

using support::repeated;
using testing::ElementsAre;
using testing::IsEmpty;

const std::string counts_member = R"("counts":{"done":1,"warn":2,"failed":3})";

/// A good update with `members` behind what is required.
std::string with(const std::string& members) { return R"({"filename":"a.csv",)" + counts_member + "," + members + "}"; }
std::string with_counts(const std::string& value) { return R"({"filename":"a.csv","counts":)" + value + "}"; }
std::string with_done(const std::string& value) {
  return with_counts(R"({"done":)" + value + R"(,"warn":0,"failed":0})");
}
std::string with_filename(const std::string& value) { return R"({"filename":)" + value + "," + counts_member + "}"; }
std::string quoted(const std::string& text) { return '"' + text + '"'; }

domain::Reported counted(domain::Counts counts) {
  domain::Reported out;
  out.counts = counts;
  return out;
}

domain::ItemList list(std::vector<domain::Item> items) { return domain::ItemList{std::move(items)}; }

Update good(const std::string& body) {
  auto parsed = parse_update(body);
  if (const auto* faults = std::get_if<Faults>(&parsed)) {
    ADD_FAILURE() << summary_of(*faults) << " in " << body.substr(0, 200);
    return {};
  }
  return std::get<Update>(std::move(parsed));
}

Faults faults_of(const std::string& body) {
  auto parsed = parse_update(body);
  return std::holds_alternative<Faults>(parsed) ? std::get<Faults>(std::move(parsed)) : Faults{};
}

std::vector<std::string> pointers_of(const std::string& body) {
  std::vector<std::string> out;
  for (const auto& fault : faults_of(body)) out.push_back(fault.pointer);
  return out;
}

TEST(ParseUpdate, ReadsTheContractsExample) {
  const auto update = good(R"({ "filename": "sales_data.csv",
    "counts": {"done": 500, "warn": 2, "failed": 1},
    "total": 10000, "isLast": true,
    "errors":   [{"line": 145, "message": "Invalid format"}, {"message": "no line"}],
    "warnings": [{"line": 89,  "message": "Deprecated field"}],
    "eventId": "the producer's own", "clientKrn": "krn:acme", "email": "ann@example.com" })");
  EXPECT_EQ(*update.filename, "sales_data.csv");
  EXPECT_EQ(update.what.counts, (domain::Counts{500, 2, 1}));
  EXPECT_EQ(update.what.total, 10000);
  EXPECT_TRUE(update.what.is_last);
  EXPECT_EQ(update.what.errors, list({domain::Item{145, "Invalid format"}, domain::Item{{}, "no line"}}));
  EXPECT_EQ(update.what.warnings, list({domain::Item{89, "Deprecated field"}}));
  EXPECT_EQ(update.event_id, "the producer's own");
  EXPECT_EQ(update.client_krn, "krn:acme");
  EXPECT_EQ(update.email, "ann@example.com");
}

TEST(ParseUpdate, NeedsFilenameAndCountsOnly) {
  const auto update = good(with_done("0"));
  EXPECT_EQ(update.what, domain::Reported{});
  EXPECT_EQ(update.event_id, "");
  EXPECT_EQ(update.client_krn, "");
  EXPECT_EQ(update.email, "");
}

TEST(ParseUpdate, NullCountsAsAbsentForWhatIsOptional) {
  const auto update = good(
      with(R"("total":null,"isLast":null,"errors":null,"warnings":null,"eventId":null,"clientKrn":null,"email":null)"));
  EXPECT_EQ(update.what, counted({1, 2, 3}));
  EXPECT_EQ(update.event_id, "");
  EXPECT_EQ(good(with(R"("errors":[{"line":null,"message":""}])")).what.errors, list({domain::Item{{}, ""}}));
}

TEST(ParseUpdate, TheOrderOfMembersDoesNotMatter) {
  EXPECT_EQ(good(R"({"isLast":true,"counts":{"failed":3,"done":1,"warn":2},"filename":"a"})").what.counts,
            (domain::Counts{1, 2, 3}));
}

TEST(ParseUpdate, IdentityOfOtherTypesIsAnUnknownMember) {
  const auto update = good(with(R"("clientKrn":5,"email":{"$gt":""})"));
  EXPECT_EQ(update.client_krn, "");
  EXPECT_EQ(update.email, "");
}

class GoodBody : public testing::TestWithParam<std::string> {};
TEST_P(GoodBody, IsAccepted) { EXPECT_THAT(faults_of(GetParam()), IsEmpty()) << summary_of(faults_of(GetParam())); }

TEST(ParseUpdate, ItemsKeepCodeFieldAndValueAsText) {
  const auto update = good(with(R"("errors":[{"line":1,"message":"m","code":"E42","field":"amount","value":"12,5"},
    {"message":"n","code":-7,"field":true,"value":12.5}, {"message":"u","code":18446744073709551615},
    {"message":"","code":null,"field":null,"value":""}])"));
  EXPECT_EQ(update.what.errors,
            list({domain::Item{1, "m", "E42", "amount", "12,5"}, domain::Item{{}, "n", "-7", "true", "12.5"},
                  domain::Item{{}, "u", "18446744073709551615"}, domain::Item{}}));
}

INSTANTIATE_TEST_SUITE_P(Json, GoodBody,
                         testing::Values(with(R"("__proto__":{"a":1},"$set":{"filename":"b"},"a.b":[[[]]],"":null)"),
                                         with(R"("unknown":1,"unknown":2)"), with(R"("unknown":1e300)"),
                                         with(R"("Filename":5,"filename ":6)"), " \t\r\n" + with(R"("x":1)") + " \n",
                                         with(quoted(std::string(500'000, 'k')) + ":1"),
                                         with(R"("counts2":{"done":-1})"),
                                         with_counts(R"({"done":1,"warn":2,"failed":3,"other":"x"})"),
                                         with(R"("errors":[{"message":"m","line":1,"column":-5}])"),
                                         R"({"file\u006eame":"a",)" + counts_member + "}"));

INSTANTIATE_TEST_SUITE_P(Numbers, GoodBody,
                         testing::Values(with_done("0"), with_done("-0"), with_done("9007199254740991"),
                                         with(R"("total":1)"), with(R"("total":9007199254740991)"),
                                         with(R"("errors":[{"line":9007199254740991,"message":""}])")));

INSTANTIATE_TEST_SUITE_P(
    Fields, GoodBody,
    testing::Values(with_filename(quoted(std::string(1024, 'x'))), with_filename(R"(" ")"),
                    with_filename(R"("a/../b%2f")"), with_filename(R"("say \"hi\" \\ '")"),
                    with_filename(R"("😀 \ud83d\ude00 \u200f \u202e")"), with_filename(R"("$where")"),
                    with_filename("\"=CMD()\""), with_filename("\"\u00a0\u0100\""), with(R"("eventId":"x")"),
                    with(R"("eventId":")" + std::string(256, 'x') + '"'), with(R"("isLast":false)"),
                    with(R"("errors":[],"warnings":[])"), with(R"("errors":[{"message":"\u0000\n\u0085"}])"),
                    with(R"("errors":[{"message":")" + std::string(message_bytes_max, 'x') + R"("}])"),
                    with(R"("errors":[{"message":"","code":")" + std::string(code_bytes_max, 'x') + R"(","field":")" +
                         std::string(field_bytes_max, 'x') + R"(","value":")" + std::string(message_bytes_max, 'x') +
                         R"("}])"),
                    with(R"("errors":[)" + repeated(R"({"message":"x"},)", 9'999) + R"({"message":"x"}])")));

TEST(ParseUpdate, FilenamesAreKeptByteByByte) {
  EXPECT_EQ(*good(with_filename(R"("a/..\u002f \ud83d\ude00\u200f\"")")).filename, "a/../ \U0001F600\u200f\"");
  EXPECT_EQ(*good(with_filename("\"e\u0301\"")).filename, "e\u0301") << "no normalisation";
}

struct BadRow {
  std::string body;
  std::string pointer;
};

void PrintTo(const BadRow& row, std::ostream* out) { *out << row.pointer << " in " << row.body.substr(0, 120); }

class BadBody : public testing::TestWithParam<BadRow> {};

TEST_P(BadBody, HasExactlyThisFault) {
  const auto faults = faults_of(GetParam().body);
  ASSERT_EQ(faults.size(), 1U) << summary_of(faults);
  EXPECT_EQ(faults[0].pointer, GetParam().pointer);
  EXPECT_FALSE(faults[0].detail.empty());
}

std::vector<BadRow> at(const std::string& pointer, const std::vector<std::string>& bodies) {
  std::vector<BadRow> out;
  for (const auto& body : bodies) out.push_back({body, pointer});
  return out;
}

std::string without_end(std::string text) {
  text.pop_back();
  return text;
}

const std::string valid = with(R"("x":1)");

INSTANTIATE_TEST_SUITE_P(Json, BadBody,
                         testing::ValuesIn(at("", {"",
                                                   " ",
                                                   without_end(valid),
                                                   valid + "x",
                                                   valid + valid,
                                                   valid + ",",
                                                   "/* c */" + valid,
                                                   with("\"x\":1 // c\n"),
                                                   "{'filename':'a'}",
                                                   "{filename:1}",
                                                   with_done("NaN"),
                                                   with_done("Infinity"),
                                                   with_done("1e400"),
                                                   with_done(std::string(400, '9')),
                                                   with_done("01"),
                                                   with_done("+1"),
                                                   with_done("1."),
                                                   with_done(".5"),
                                                   with_done("0x10"),
                                                   with_done("18446744073709551616"),
                                                   "\xef\xbb\xbf" + valid,
                                                   "null",
                                                   "[]",
                                                   "[" + valid + "]",
                                                   R"("x")",
                                                   "5",
                                                   "true",
                                                   std::string(100'000, '['),
                                                   repeated(R"({"a":)", 100'000),
                                                   with(R"("x":)" + std::string(1000, '[') + std::string(1000, ']')),
                                                   with_filename("\"a\xff\""),
                                                   with_filename("\"\xc0\xaf\""),
                                                   with_filename("\"\xed\xa0\x80\""),
                                                   with_filename("\"\xf4\x90\x80\x80\""),
                                                   with_filename(R"("\ud800")"),
                                                   with_filename(R"("\udc00")"),
                                                   with_filename(R"("\ud800\ud800")"),
                                                   with_filename(R"("\ud800\u0041")"),
                                                   with_filename(R"("\u12")"),
                                                   with_filename(R"("\x41")"),
                                                   with_filename("\"a\nb\""),
                                                   with_filename(std::string("\"a\0b\"", 5)),
                                                   with_filename("\"a"),
                                                   std::string(1UL << 20U, ' '),
                                                   std::string((1UL << 20U) + 1, ' '),
                                                   "\"" + std::string(1UL << 20U, 'k') + "\"",
                                                   std::string(64, '\0'),
                                                   "{\"a\" 1}",
                                                   "{,}",
                                                   "{\"a\":1,}",
                                                   "tru",
                                                   "nul"})));

INSTANTIATE_TEST_SUITE_P(Counts, BadBody,
                         testing::ValuesIn(at("/counts/done",
                                              {with_done("-1"), with_done("1.5"), with_done("1.0"), with_done("1e2"),
                                               with_done(R"("1")"), with_done("true"), with_done("null"),
                                               with_done("[]"), with_done("{}"), with_done("1e308"), with_done("-0.0"),
                                               with_done("9007199254740992"), with_done("9223372036854775807"),
                                               with_done("9223372036854775808"), with_done("18446744073709551615"),
                                               with_done("-9223372036854775808"), with_done("0,\"done\":0"),
                                               with_counts(R"({"warn":0,"failed":0})")})));

INSTANTIATE_TEST_SUITE_P(OtherCounts, BadBody,
                         testing::Values(BadRow{with_counts(R"({"done":0,"warn":-1,"failed":0})"), "/counts/warn"},
                                         BadRow{with_counts(R"({"done":0,"warn":0,"failed":"0"})"), "/counts/failed"},
                                         BadRow{with_counts(R"({"done":0,"failed":0})"), "/counts/warn"},
                                         BadRow{with_counts(R"({"done":0,"warn":0})"), "/counts/failed"},
                                         BadRow{with_counts("null"), "/counts"}, BadRow{with_counts("[]"), "/counts"},
                                         BadRow{with_counts("3"), "/counts"}, BadRow{R"({"filename":"a"})", "/counts"},
                                         BadRow{with(counts_member), "/counts"}));

INSTANTIATE_TEST_SUITE_P(Total, BadBody,
                         testing::ValuesIn(at("/total", {with(R"("total":0)"), with(R"("total":-1)"),
                                                         with(R"("total":1.5)"), with(R"("total":"9")"),
                                                         with(R"("total":9007199254740992)"), with(R"("total":true)"),
                                                         with(R"("total":[])"), with(R"("total":1,"total":1)")})));

INSTANTIATE_TEST_SUITE_P(IsLast, BadBody,
                         testing::ValuesIn(at("/isLast",
                                              {with(R"("isLast":"true")"), with(R"("isLast":1)"),
                                               with(R"("isLast":{})"), with(R"("isLast":true,"isLast":true)")})));

INSTANTIATE_TEST_SUITE_P(
    Filename, BadBody,
    testing::ValuesIn(at("/filename",
                         {with_filename(R"("")"), with_filename(quoted(std::string(1025, 'x'))),
                          with_filename(R"("a\u0000")"), with_filename(R"("a\nb")"), with_filename(R"("\t")"),
                          with_filename(R"("\u007f")"), with_filename(R"("\u0080")"), with_filename("\"\u009f\""),
                          with_filename("null"), with_filename("5"), with_filename("true"), with_filename(R"(["a"])"),
                          with_filename(R"({"$gt":""})"), "{" + counts_member + "}", with(R"("filename":"a.csv")"),
                          with(R"("file\u006eame":"b.csv")")})));

INSTANTIATE_TEST_SUITE_P(
    EventId, BadBody,
    testing::ValuesIn(at("/eventId",
                         {with(R"("eventId":"")"), with(R"("eventId":")" + std::string(257, 'x') + '"'),
                          with(R"("eventId":"a\u001f")"), with(R"("eventId":"\u0085")"), with(R"("eventId":5)"),
                          with(R"("eventId":{})"), with(R"("eventId":"a","eventId":"a")")})));

INSTANTIATE_TEST_SUITE_P(
    Items, BadBody,
    testing::Values(
        BadRow{with(R"("errors":{})"), "/errors"}, BadRow{with(R"("errors":"x")"), "/errors"},
        BadRow{with(R"("warnings":5)"), "/warnings"}, BadRow{with(R"("errors":[],"errors":[])"), "/errors"},
        BadRow{with(R"("errors":[null])"), "/errors/0"}, BadRow{with(R"("errors":[{"message":""},5])"), "/errors/1"},
        BadRow{with(R"("warnings":[[]])"), "/warnings/0"}, BadRow{with(R"("errors":["x"])"), "/errors/0"},
        BadRow{with(R"("errors":[{}])"), "/errors/0/message"},
        BadRow{with(R"("errors":[{"line":1}])"), "/errors/0/message"},
        BadRow{with(R"("errors":[{"message":5}])"), "/errors/0/message"},
        BadRow{with(R"("errors":[{"message":null}])"), "/errors/0/message"},
        BadRow{with(R"("errors":[{"message":"a","message":"b"}])"), "/errors/0/message"},
        BadRow{with(R"("errors":[{"message":"a","line":0}])"), "/errors/0/line"},
        BadRow{with(R"("errors":[{"message":"a","line":-1}])"), "/errors/0/line"},
        BadRow{with(R"("errors":[{"message":"a","line":1.5}])"), "/errors/0/line"},
        BadRow{with(R"("errors":[{"message":"a","line":"1"}])"), "/errors/0/line"},
        BadRow{with(R"("errors":[{"message":"a","line":9223372036854775808}])"), "/errors/0/line"},
        BadRow{with(R"("errors":[{"message":"a","line":9007199254740992}])"), "/errors/0/line"},
        BadRow{with(R"("errors":[{"message":"a","line":null,"line":1}])"), "/errors/0/line"},
        BadRow{with(R"("errors":[{"message":"a","code":{}}])"), "/errors/0/code"},
        BadRow{with(R"("errors":[{"message":"a","field":[]}])"), "/errors/0/field"},
        BadRow{with(R"("errors":[{"message":"a","value":1,"value":1}])"), "/errors/0/value"},
        BadRow{with(R"("errors":[{"message":"a","code":")" + std::string(code_bytes_max + 1, 'x') + R"("}])"),
               "/errors/0/code"},
        BadRow{with(R"("errors":[{"message":"a","field":")" + std::string(field_bytes_max + 1, 'x') + R"("}])"),
               "/errors/0/field"},
        BadRow{with(R"("errors":[{"message":"a","value":")" + std::string(message_bytes_max + 1, 'x') + R"("}])"),
               "/errors/0/value"},
        BadRow{with(R"("warnings":[{"message":")" + std::string(message_bytes_max + 1, 'x') + R"("}])"),
               "/warnings/0/message"},
        BadRow{with(R"("errors":[)" + repeated(R"({"message":"x"},)", 10'000) + R"({"message":"x"}])"), "/errors"}));

INSTANTIATE_TEST_SUITE_P(Identity, BadBody,
                         testing::Values(BadRow{with(R"("email":"a@b.c","email":"d@e.f")"), "/email"},
                                         BadRow{with(R"("clientKrn":"krn:a","clientKrn":5)"), "/clientKrn"}));

TEST(ParseUpdate, AllFaultsOfOneBodyAreListed) {
  EXPECT_THAT(
      pointers_of(R"({"counts":{"done":-1,"failed":1.5},"total":0,"isLast":"x","errors":[5,{"line":0}],
                             "warnings":{},"eventId":""})"),
      testing::UnorderedElementsAre("/filename", "/counts/done", "/counts/warn", "/counts/failed", "/total", "/isLast",
                                    "/errors/0", "/errors/1/line", "/errors/1/message", "/warnings", "/eventId"));
  EXPECT_THAT(pointers_of("{}"), ElementsAre("/filename", "/counts"));
}

TEST(ParseUpdate, AtMostAHundredFaultsAreListed) {
  EXPECT_EQ(faults_of(with(R"("errors":[)" + repeated("5,", 9'999) + "5]")).size(), 100U);
  EXPECT_EQ(faults_of("{" + repeated(R"("filename":1,)", 80'000) + R"("x":1})").size(), 100U);
  EXPECT_EQ(
      faults_of(with("\"errors\":[{\"message\":\"\"," + repeated(R"("message":"",)", 60'000) + "\"x\":1}]")).size(),
      100U);
  EXPECT_EQ(faults_of(with_counts("{" + repeated(R"("done":1,)", 100'000) + "\"x\":1}")).size(), 100U);
}

TEST(ParseUpdate, FaultsSayWhatIsAllowed) {
  const auto detail_of = [](const std::string& body) { return faults_of(body).at(0).detail; };
  EXPECT_EQ(detail_of(with_done("-1")), "counts.done must be an integer from 0 to 9007199254740991");
  EXPECT_EQ(detail_of(with(R"("total":0)")), "total must be an integer from 1 to 9007199254740991, or null");
  EXPECT_EQ(detail_of(with_filename("5")), "filename must be a string of 1 to 1024 bytes without control characters");
  EXPECT_EQ(detail_of(with(R"("errors":[{}])")), "errors[0].message is required");
  EXPECT_EQ(detail_of(with(R"("errors":[5])")), "errors[0] must be an object with a message");
  EXPECT_EQ(detail_of(with(R"("warnings":[{"message":5}])")),
            "warnings[0].message must be a string of at most 65536 bytes");
  EXPECT_EQ(detail_of("{"),
            "the body is not valid JSON: expected a name in double quotes or '}', found the end of the text (line 1, "
            "column 2)");
  EXPECT_EQ(detail_of(""), "the body is not valid JSON: it is empty");
  EXPECT_EQ(detail_of("\"\xff\""),
            "the body is not valid JSON: it is not UTF-8: found a byte that begins no character (line 1, column 2)");
  EXPECT_EQ(detail_of("[]"), "the body must be a JSON object");
}

TEST(ParseUpdate, FaultsDoNotRepeatTheInput) {
  for (const auto& body : {with_filename(R"("secret\u0000")"), with_done(R"("secret")"), with(R"("secret":tru)")})
    EXPECT_THAT(summary_of(faults_of(body)), testing::Not(testing::HasSubstr("secret"))) << body;
}

TEST(ParseUpdate, OneCallLeavesNothingForTheNext) {
  EXPECT_FALSE(faults_of(with(R"("errors":[5],"total":0)")).empty());
  const auto first = good(with(R"("total":5,"isLast":true,"errors":[{"message":"first"}],"eventId":"e")"));
  const auto second = good(with_done("7"));
  EXPECT_EQ(second.what, counted({.done = 7, .warn = 0, .failed = 0}));
  EXPECT_EQ(first.what.errors, list({domain::Item{{}, "first"}}));
}

TEST(ParseUpdate, AMillionKeysAreReadOnce) {
  std::string body = R"({"filename":"a",)" + counts_member;
  while (body.size() < update_bytes_max - 10) body += R"(,"a":1)";
  EXPECT_THAT(faults_of(body + "}"), IsEmpty());
}

}  // namespace
}  // namespace pebbles::admission
