#include "store/mongo/documents.hpp"

#include <gtest/gtest.h>

#include <utility>

#include "base/hex.hpp"
#include "store/compare.hpp"

namespace pebbles::store::mongo {
namespace {

Bson from_json(const char* json) {
  bson_error_t error;
  bson_t* const parsed = bson_new_from_json(reinterpret_cast<const std::uint8_t*>(json), -1, &error);
  EXPECT_NE(parsed, nullptr) << error.message;
  Bson out{parsed};
  bson_destroy(parsed);
  return out;
}

std::vector<std::string> texts_of(const domain::ItemList& items) {
  std::vector<std::string> out;
  for (const auto& item : items)
    out.push_back((item.line ? std::to_string(*item.line) + ": " : std::string{}) + item.message);
  return out;
}

Snapshot snapshot() {
  Snapshot out;
  out.stream = {.client = domain::ClientKrn{"krn:a"}, .filename = domain::Filename{"größe/$x.csv"}};
  out.rev = 3;
  out.head = {.first = 7, .hash = {1, 2, 3}};
  out.progress.version = 9;
  out.progress.born = 1;
  out.progress.id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  out.progress.owner = domain::Email{"a@b.co"};
  out.progress.counts = {.done = domain::count_max, .warn = 1, .failed = 0};
  out.progress.total = 10;
  out.progress.created_at = Timestamp{std::chrono::milliseconds{-5}};
  out.progress.updated_at = Timestamp{std::chrono::milliseconds{1'700'000'000'001}};
  out.progress.errors.add(domain::ItemList{
      {{.line = 5, .message = "e"}, {.line = {}, .message = "", .code = "E1", .field = "$f", .value = "v"}}});
  out.progress.errors.count = 200;
  out.progress.positions = {{"log", "topic", 11, 1LL << 40}};
  return out;
}

TEST(MongoDocuments, ASnapshotComesBackAsItWas) {
  auto wanted = snapshot();
  for (const bool completed : {false, true}) {
    wanted.progress.completed = completed;
    if (completed) wanted.progress.completed_at = wanted.progress.updated_at;
    const auto document = snapshot_document(wanted);
    const auto read = read_snapshot(document.get());
    ASSERT_TRUE(read);
    EXPECT_FALSE(read->has_text_times);
    EXPECT_EQ(difference(*read->snapshot, wanted), std::nullopt);
    EXPECT_EQ(read->snapshot->rev, 3);
    EXPECT_EQ(read->snapshot->fold, domain::fold_number);
  }
}

TEST(MongoDocuments, AnUpdateSaysOnlyWhatDiffers) {
  const auto before = snapshot();
  auto after = before;
  after.progress.version = 10;
  after.progress.counts.warn = 2;
  const auto change = snapshot_update(before, after);
  std::vector<std::string> names;
  each_member(change.get(), [&](std::string_view, const bson_iter_t& set) {
    each_member(set, [&](std::string_view name, const bson_iter_t&) { names.emplace_back(name); });
  });
  EXPECT_EQ(names, (std::vector<std::string>{"counts", "version", "head"}));
}

TEST(MongoDocuments, ALaterLifeComesBackAsItWas) {
  auto wanted = snapshot();
  for (const Version born : {1, 2, 9}) {
    wanted.progress.born = born;
    const auto read = read_snapshot(snapshot_document(wanted).get());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->snapshot->progress.born, born);
  }
}

TEST(MongoDocuments, ATombstoneSaysWhatGoesOnAndNothingElse) {
  auto gone = snapshot();
  const auto was = std::exchange(gone.progress, {});
  gone.progress.version = 10;
  gone.progress.id = was.id;
  gone.progress.updated_at = was.updated_at;
  gone.progress.positions = was.positions;
  for (const bool positions : {true, false}) {
    if (!positions) gone.progress.positions.clear();
    const auto document = snapshot_document(gone);
    const auto read = read_snapshot(document.get());
    ASSERT_TRUE(read);
    EXPECT_FALSE(read->is_remains);
    EXPECT_FALSE(read->snapshot->progress.exists());
    EXPECT_EQ(difference(*read->snapshot, gone), std::nullopt);
    EXPECT_EQ(read->snapshot->rev, 3);
    std::string names;
    each_member(document.get(), [&](std::string_view name, const bson_iter_t& member) {
      names.append(name).append(" ");
      if (name == "email") {
        EXPECT_TRUE(BSON_ITER_HOLDS_OID(&member));
      }
    });
    EXPECT_EQ(names, std::string{"_id clientKrn filename email state deletedAt version rev fold head "} +
                         (positions ? "positions " : ""));
  }
}

TEST(MongoDocuments, RemainsAreNobodysState) {
  auto next = snapshot();
  next.progress.born = 7;
  const domain::FileId ended{9, 9, 9};
  const auto read = read_snapshot(remains_document(ended, next).get());
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->is_remains);
  EXPECT_EQ(read->snapshot->progress.id, ended);
  EXPECT_EQ(read->snapshot->progress.version, 6);
  EXPECT_FALSE(read->snapshot->progress.exists());
  next.progress.owner = {};
  EXPECT_EQ(version_of_remains(next), 7);  // the next one is over too: it took 8 and 9
}

TEST(MongoDocuments, KeptKeysLeadToWhatTheirEventsDid) {
  const std::vector<KeptKey> keys{{{1, 2, 3}, {.version = 1, .fingerprint = {4, 5}}},
                                  {{0xff}, {.version = 0x0102'0304'0506'0708, .fingerprint = {0xfe}}}};
  const auto bytes = pack_kept(keys);
  ASSERT_EQ(bytes.size(), 48U);
  EXPECT_EQ(to_hex(std::span{bytes}.first(10)), "01000000000000000405");
  EXPECT_EQ(to_hex(std::span{bytes}.subspan(24, 9)), "0807060504030201fe");
  const auto chunk_with = [&](std::span<const std::uint8_t> kept) {
    Bson out;
    BsonArray hashes;
    for (const auto& key : keys) hashes.add([&](Bson& array, std::string_view name) { array.binary(name, key.hash); });
    out.document("_id", chunk_id(snapshot().stream, 5)).small("n", 0).small("format", 1);
    out.array("keys", hashes.get()).binary("kept", kept);
    return out;
  };
  const auto read = read_whole_chunk(chunk_with(bytes).get());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->events, 0);
  ASSERT_EQ(read->kept.size(), 2U);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ(read->kept[i].hash, keys[i].hash);
    EXPECT_EQ(read->kept[i].hit.version, keys[i].hit.version);
    EXPECT_EQ(read->kept[i].hit.fingerprint, keys[i].hit.fingerprint);
  }
  EXPECT_FALSE(read_whole_chunk(chunk_with(std::span{bytes}.first(47)).get()));
}

TEST(MongoDocuments, TheBriefsSampleIsAFileOfBeforeTheLog) {
  const auto document = from_json(R"({"_id":{"$oid":"65a1b2c3d4e5f60718293a4b"},"clientKrn":"krn:acme:client:123",
    "filename":"sales_data.csv","email":"user@acme.com","counts":{"done":9500,"warn":25.0,"failed":{"$numberLong":"10"}},
    "total":10000,"isCompleted":false,"createdAt":"2024-01-01T10:00:00Z","updatedAt":"2024-01-01T15:30:00Z",
    "errors":[{"line":145,"message":"Invalid format"}],"warnings":[{"line":89,"message":"Deprecated field"}]})");
  const auto read = read_snapshot(document.get());
  ASSERT_TRUE(read);
  const auto& progress = read->snapshot->progress;
  EXPECT_TRUE(progress.is_before_log());
  EXPECT_TRUE(read->has_text_times);
  EXPECT_EQ(to_hex(progress.id), "65a1b2c3d4e5f60718293a4b");
  EXPECT_EQ(progress.counts, (domain::Counts{.done = 9500, .warn = 25, .failed = 10}));
  EXPECT_EQ(progress.total, 10000);
  EXPECT_EQ(to_rfc3339(progress.created_at), "2024-01-01T10:00:00.000Z");
  EXPECT_EQ(to_rfc3339(progress.updated_at), "2024-01-01T15:30:00.000Z");
  EXPECT_EQ(texts_of(progress.errors.first), std::vector<std::string>{"145: Invalid format"});
  EXPECT_EQ(progress.warnings.count, 1);
}

TEST(MongoDocuments, GroupedMessagesAreWrittenOutAgain) {
  const auto document = from_json(R"({"_id":{"$oid":"65a1b2c3d4e5f60718293a4b"},"clientKrn":"krn:a","filename":"f",
    "email":"a@b.co","total":null,"isCompleted":true,"createdAt":"2024-01-01T10:00:00.123456789Z",
    "updatedAt":"2024-01-01T10:00:00.5Z","errors":[
      {"pattern":"Account {NUMBER} of {QUOTED} locked","lines":[{"line":5,"values":["17","'x'"]},{"line":null,"values":["18","'y'"]}]},
      {"pattern":"Invalid format","lines":[{"line":9}]},
      {"pattern":"Left {NUMBER} and {","lines":[{"line":1,"values":["2","3","4"]}]}]})");
  const auto read = read_snapshot(document.get());
  ASSERT_TRUE(read);
  const auto& progress = read->snapshot->progress;
  EXPECT_EQ(texts_of(progress.errors.first),
            (std::vector<std::string>{"5: Account 17 of 'x' locked", "Account 18 of 'y' locked", "9: Invalid format",
                                      "1: Left 2 and {"}));
  EXPECT_EQ(progress.completed_at, progress.updated_at);
  EXPECT_EQ(progress.total, std::nullopt);
}

TEST(MongoDocuments, WhatIsNeitherOursNorTheirsIsRefused) {
  for (const auto* json : {R"({})", R"({"_id":"text","clientKrn":"krn:a","filename":"f","email":"a@b.co"})",
                           R"({"_id":{"$oid":"65a1b2c3d4e5f60718293a4b"},"clientKrn":"krn:a","email":"a@b.co"})"}) {
    const auto document = from_json(json);
    EXPECT_FALSE(read_snapshot(document.get())) << json;
    EXPECT_FALSE(read_chunk(document.get())) << json;
  }
}

}  // namespace
}  // namespace pebbles::store::mongo
