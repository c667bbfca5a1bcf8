#include "store/log_format.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/hex.hpp"
#include "crypto/sha256.hpp"

namespace pebbles::store {
namespace {

using domain::ProgressEvent;

constexpr std::int64_t at_first = 1704103200000;
const StreamId stream{domain::ClientKrn{"krn:acme:client:123"}, domain::Filename{"größe \"Ω\" 100%/sales.csv"}};

std::string golden(const std::string& name) {
  std::ifstream file{std::string{PEBBLES_TEST_DATA} + "/unit/store/golden/" + name, std::ios::binary};
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>{file}, {}};
}

Timestamp time_of(std::int64_t milliseconds) { return Timestamp{std::chrono::milliseconds{milliseconds}}; }

domain::EventKey key(const std::string& text, std::string_view fingerprint_of) {
  return {.text = text, .hash = crypto::short_sha256({text}), .fingerprint = crypto::short_sha256({fingerprint_of})};
}

domain::FileId file_id() {
  domain::FileId id{};
  EXPECT_TRUE(from_hex("65a1b2c3d4e5f60718293a4b", id));
  return id;
}

std::vector<ProgressEvent> first_chunk() {
  ProgressEvent created{.version = 1,
                        .id = file_id(),
                        .at = time_of(at_first),
                        .by = domain::Email{"user@acme.com"},
                        .channel = domain::Channel::rest,
                        .key = {},
                        .position = {},
                        .what = domain::Reported{
                            .counts = {.done = 500, .warn = 2, .failed = 1},
                            .total = 10000,
                            .is_last = false,
                            .errors = domain::ItemList{{{.line = 145, .message = "Invalid format"},
                                                        {.line = {}, .message = "tab\there, \"quoted\" \\ and \x01"}}},
                            .warnings = domain::ItemList{{{.line = 89, .message = "Deprecated field 🙂"}}}}};
  ProgressEvent keyed{.version = 2,
                      .id = {},
                      .at = time_of(at_first + 1),
                      .by = domain::Email{"user@acme.com"},
                      .channel = domain::Channel::rest,
                      .key = key("p:run-7/2", "any"),
                      .position = {},
                      .what = domain::Reported{}};
  return {created, keyed};
}

std::vector<ProgressEvent> second_chunk() {
  ProgressEvent from_kafka{
      .version = 3,
      .id = {},
      .at = time_of(1704103260123),
      .by = domain::Email{"user@acme.com"},
      .channel = domain::Channel::kafka,
      .key = key("p:урок", "x"),
      .position = domain::LogPosition{"MkU3OEVBNTcwNTJENDM2Qg", "progress-updates", 11, 4294967296},
      .what = domain::Reported{.counts = {.done = domain::count_max - 500, .warn = 1, .failed = 0},
                               .total = {},
                               .is_last = false,
                               .errors = {},
                               .warnings = {}}};
  ProgressEvent last{
      .version = 4,
      .id = {},
      .at = time_of(1704103260123),
      .by = domain::Email{"user@acme.com"},
      .channel = domain::Channel::sqs,
      .key = key("s:9f1c", ""),
      .position = {},
      .what = domain::Reported{.counts = {.done = 0, .warn = 0, .failed = 1},
                               .total = domain::count_max,
                               .is_last = true,
                               .errors = domain::ItemList{{{.line = domain::count_max, .message = "\x7f\u2028"}}},
                               .warnings = {}}};
  return {from_kafka, last};
}

std::vector<ProgressEvent> adopted_chunk() {
  ProgressEvent adopted{
      .version = 1,
      .id = file_id(),
      .at = time_of(1704123000000),
      .by = domain::Email{"user@acme.com"},
      .channel = domain::Channel::rest,
      .key = {},
      .position = {},
      .what = domain::Adopted{.state = {.counts = {.done = 9500, .warn = 25, .failed = 10},
                                        .total = 10000,
                                        .is_last = false,
                                        .errors = domain::ItemList{{{.line = 145, .message = "Invalid format"}}},
                                        .warnings = domain::ItemList{{{.line = 89, .message = "Deprecated field"}}}},
                              .created_at = time_of(at_first),
                              .error_count = 10,
                              .warning_count = 1}};
  ProgressEvent last = first_chunk()[1];
  last.at = time_of(1704123000001);
  last.key = {};
  last.what = domain::Reported{.counts = {.done = 500}, .total = {}, .is_last = true, .errors = {}, .warnings = {}};
  return {adopted, last};
}

std::vector<ProgressEvent> detailed_chunk() {
  ProgressEvent event = first_chunk()[0];
  event.what = domain::Reported{
      .counts = {.done = 0, .warn = 1, .failed = 3},
      .total = {},
      .is_last = false,
      .errors =
          domain::ItemList{
              {{.line = 145, .message = "Invalid format", .code = "E42", .field = "amount", .value = "12,5\t€"},
               {.message = "", .field = "name"},
               {.line = 1, .message = "x", .value = "\"\""}}},
      .warnings = domain::ItemList{{{.message = "Deprecated", .code = "W1"}}}};
  return {event};
}

// The golden files were written by golden/make_golden.py, from the specification and not by this code.
TEST(LogFormat, EncodesAsTheGoldenFilesSay) {
  EXPECT_EQ(encode_events(first_chunk()), golden("chunk-1.ndjson"));
  EXPECT_EQ(encode_events(second_chunk()), golden("chunk-3.ndjson"));
  EXPECT_EQ(encode_events(adopted_chunk()), golden("adopted.ndjson"));
  EXPECT_EQ(encode_events(detailed_chunk()), golden("detailed.ndjson"));
}

TEST(LogFormat, DecodesTheGoldenFiles) {
  EXPECT_EQ(decode_events(golden("chunk-1.ndjson")).value(), first_chunk());
  EXPECT_EQ(decode_events(golden("chunk-3.ndjson")).value(), second_chunk());
  EXPECT_EQ(decode_events(golden("adopted.ndjson")).value(), adopted_chunk());
  EXPECT_EQ(decode_events(golden("detailed.ndjson")).value(), detailed_chunk());
}

TEST(LogFormat, HashesAndChainsAsTheGoldenFilesSay) {
  const auto first = hash_chunk(stream, 1, 2, {}, golden("chunk-1.ndjson"));
  EXPECT_EQ(to_hex(first) + "\n", golden("chunk-1.sha256"));
  EXPECT_EQ(to_hex(hash_chunk(stream, 1, 2, {}, golden("adopted.ndjson"))) + "\n", golden("adopted.sha256"));
  const auto second = hash_chunk(stream, 3, 2, {.first = 1, .hash = first}, golden("chunk-3.ndjson"));
  EXPECT_EQ(to_hex(second) + "\n", golden("chunk-3.sha256"));
}

TEST(LogFormat, EveryPartOfAChunkIsInItsHash) {
  const auto text = golden("chunk-1.ndjson");
  const auto hash = hash_chunk(stream, 1, 2, {}, text);
  const StreamId other_client{domain::ClientKrn{"krn:acme:client:124"}, stream.filename};
  const StreamId other_file{stream.client, domain::Filename{"b"}};
  EXPECT_NE(hash_chunk(other_client, 1, 2, {}, text), hash);
  EXPECT_NE(hash_chunk(other_file, 1, 2, {}, text), hash);
  EXPECT_NE(hash_chunk(stream, 2, 2, {}, text), hash);
  EXPECT_NE(hash_chunk(stream, 1, 3, {}, text), hash);
  EXPECT_NE(hash_chunk(stream, 1, 2, {.first = 1, .hash = hash}, text), hash);
  EXPECT_NE(hash_chunk(stream, 1, 2, {}, text + " "), hash);
}

class NotOfTheFormat : public testing::TestWithParam<std::string> {};

TEST_P(NotOfTheFormat, IsRefusedAndNeverSkipped) {
  const auto events = decode_events(GetParam());
  ASSERT_FALSE(events);
  EXPECT_EQ(events.error().code, Errc::store_corrupt);
}

const std::string good =
    R"({"v":1,"kind":"reported","at":1,"by":"a@b.c","channel":"rest","counts":{"done":1,"warn":0,"failed":0}})";

std::string with(const std::string& from, const std::string& to) {
  std::string out = good;
  out.replace(out.find(from), from.size(), to);
  return out + "\n";
}

TEST(LogFormat, TheBaseOfTheBadOnesIsGood) { EXPECT_TRUE(decode_events(good + "\n")); }

INSTANTIATE_TEST_SUITE_P(
    Rows, NotOfTheFormat,
    testing::Values(good, "\n", "[]\n", "null\n", "{}\n", with("reported", "deleted"), with("reported", "noticed"),
                    with(R"("kind":"reported",)", ""), with(R"("v":1)", R"("v":"1")"), with(R"("v":1)", R"("v":1.5)"),
                    with(R"("at":1,)", ""), with(R"("v":1)", R"("v": 1)"), with(R"("v":1)", R"("v":1,"v":1)"),
                    with("rest", "telex"), with(R"("at":1)", R"("at":null)"), with(R"("at":1)", R"("at":1,"more":1)"),
                    with(R"("at":1)", R"("at":1,"id":"65a1")"), with(R"("at":1)", R"("at":1,"isLast":false)"),
                    with(R"("at":1)", R"("at":1,"errors":[{"text":"x"}])"), with(R"("at":1)", R"("at":1,"errors":[5])"),
                    with(R"("at":1)", R"("at":1,"errors":[{"message":"x","code":""}])"),
                    with(R"("at":1)", R"("at":1,"fingerprint":"00000000000000000000000000000000")"),
                    with(R"("done":1)", R"("finished":1)"), with("reported", "adopted"),
                    with(R"("failed":0})", R"("failed":0},"createdAt":1)")));

TEST(LogFormat, PositionsRoundTrip) {
  const std::vector<domain::LogPosition> positions{{"log", "topic", 0, 5}, {"log", "other \"topic\"", 3, 1LL << 40}};
  EXPECT_EQ(decode_positions(encode_positions(positions)).value(), positions);
  EXPECT_EQ(encode_positions({}), "");
  EXPECT_TRUE(decode_positions("").value().empty());
  EXPECT_FALSE(decode_positions("{}"));
}

}  // namespace
}  // namespace pebbles::store
