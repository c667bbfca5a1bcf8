#include "admission/batch.hpp"

#include <gtest/gtest.h>

namespace pebbles::admission {
namespace {

std::string update(std::string_view filename, std::string_view more = "") {
  return R"({"filename":")" + std::string{filename} + R"(","counts":{"done":1,"warn":0,"failed":0})" +
         std::string{more} + "}";
}

/// The files of the good ones, the first fault of the others, "too large".
std::vector<std::string> told(const std::vector<BatchItem>& items) {
  std::vector<std::string> out;
  for (const auto& item : items) {
    if (const auto* read = std::get_if<Update>(&item))
      out.push_back(*read->filename);
    else if (const auto* faults = std::get_if<Faults>(&item))
      out.push_back(faults->front().detail);
    else
      out.emplace_back("too large");
  }
  return out;
}

std::vector<std::string> read(std::string_view body, BatchForm form = BatchForm::json) {
  const auto items = parse_batch(body, form);
  if (!items) return {"refused: " + items.error().detail};
  return told(*items);
}

using Told = std::vector<std::string>;

TEST(ParseBatch, FormsOfADocument) {
  EXPECT_EQ(read("[" + update("a") + "," + update("b") + "]"), (Told{"a", "b"}));
  EXPECT_EQ(read(R"({"updates":[)" + update("a") + "]}"), Told{"a"});
  EXPECT_EQ(read(" \r\n\t[ \n" + update("a") + " , \n" + update("b") + "\t] \n"), (Told{"a", "b"}));
  EXPECT_EQ(read(R"( { "x" : [1,{"updates":2}] , "\u0075pdates" : [ )" + update("a") + R"( ] , "y":null } )"),
            Told{"a"});
  EXPECT_EQ(read("[]"), Told{});
  EXPECT_EQ(read(R"({"updates":[ ]})"), Told{});
  EXPECT_EQ(read("[" + update(R"(\"],[{\\)") + "," + update("b]}") + "]"), (Told{R"("],[{\)", "b]}"}));
}

TEST(ParseBatch, EachUpdateIsJudgedByItself) {
  const std::string object = "the update must be a JSON object";
  const Told expected{"a", "filename is required", object, object, object, "b"};
  EXPECT_EQ(read("[" + update("a") + R"(,{"counts":{"done":1,"warn":0,"failed":0}},7,"x",[{}],)" + update("b") + "]"),
            expected);
  EXPECT_EQ(
      read(update("a") + "\n" + R"({"counts":{"done":1,"warn":0,"failed":0}})" + "\n7\n\"x\"\n[{}]\n" + update("b"),
           BatchForm::ndjson),
      expected);
}

TEST(ParseBatch, ADocumentThatIsNotJsonIsRefused) {
  const std::string good = update("a");
  for (const auto& bad : std::vector<std::string>{
           std::string{},
           std::string{" "},
           std::string{"["},
           "[" + good,
           "[" + good + ",]",
           "[," + good + "]",
           "[" + good + good + "]",
           "[" + good + " " + good + "]",
           "[" + good + "]]",
           "[" + good + "] x",
           "[" + good + "}",
           "[" + good + ":" + good + "]",
           "[" + good + ",{\"a\":[1}]",
           "[\"" + good + "]",
           "[" + good + ",nul]",
           "[01]",
           "[\"\\",
           "[" + good + "\xff]",
           std::string{R"({"updates":[)"} + good,
           R"({"updates":[)" + good + "]",
           R"({"updates":[)" + good + "],}",
           R"({updates:[)" + good + "]}",
           R"({"updates" [)" + good + "]}",
           R"({"x":nul,"updates":[)" + good + "]}",
           R"({"updates":[)" + good + R"(],"x"})",
           R"({"updates":[)" + good + R"(]}{})",
           std::string{R"({1:2})"},
           "\xEF\xBB\xBF[]",
       }) {
    const auto items = parse_batch(bad, BatchForm::json);
    ASSERT_FALSE(items) << bad;
    EXPECT_FALSE(items.error().has_too_many) << bad;
    EXPECT_TRUE(items.error().detail.starts_with("the body ")) << bad << ": " << items.error().detail;
  }
}

TEST(ParseBatch, AnObjectNeedsItsUpdatesOnce) {
  EXPECT_EQ(read("{}"), Told{"refused: updates is required"});
  EXPECT_EQ(read(update("a")), Told{"refused: updates is required"});
  EXPECT_EQ(read(R"({"updates":[],"updates":[]})"), Told{"refused: updates must be given only once"});
  for (const auto* bad : {R"({"updates":null})", R"({"updates":{}})", R"({"updates":"[]"})"})
    EXPECT_EQ(read(bad), Told{"refused: updates must be an array"}) << bad;
  for (const auto* bad : {"7", "\"x\"", "null"})
    EXPECT_EQ(read(bad), Told{"refused: the body must be an array, or an object with one named updates"}) << bad;
}

TEST(ParseBatch, LinesOfNdjson) {
  const auto lines = [](std::string_view body) { return read(body, BatchForm::ndjson); };
  EXPECT_EQ(lines(""), Told{});
  EXPECT_EQ(lines("\n\r\n \t\n"), Told{});
  EXPECT_EQ(lines(update("a") + "\n" + update("b")), (Told{"a", "b"}));
  EXPECT_EQ(lines("\n" + update("a") + "\r\n\r\n  " + update("b") + " \r\n"), (Told{"a", "b"}));
  EXPECT_EQ(lines(update("a") + "\n{\n" + update("b")),
            (Told{"a",
                  "the update is not valid JSON: expected a name in double quotes or '}', found the end of the text "
                  "(line 2, column 2)",
                  "b"}));
  EXPECT_EQ(lines(update("a") + update("b") + "\n" + update("c")),
            (Told{"the update is not valid JSON: expected the end of the text, found '{' (line 1, column " +
                      std::to_string(update("a").size() + 1) + ")",
                  "c"}));
  EXPECT_EQ(
      lines("\xff\n" + update("a")),
      (Told{"the update is not valid JSON: expected a value, found a character that is not ASCII (line 1, column 1)",
            "a"}));
}

TEST(ParseBatch, AValueThatCannotBeReadRefusesOnlyItsUpdate) {
  for (const std::string bad : {R"("\ud800")", R"("\udc00")", R"("\ud800\u0041")", R"("\x")", "\"\xff\"", "\"\n\"",
                                "1e999", "123456789012345678901234567890", ""}) {
    const auto value = bad.empty() ? std::string(70, '[') + std::string(70, ']') : bad;
    const auto updates = update("a") + ",\n" + update("b", ",\"x\":" + value) + "," + update("c");
    for (const auto& body : {"[" + updates + "]", "{\"updates\":[" + updates + "]}"}) {
      const auto told = read(body);
      ASSERT_EQ(told.size(), 3U) << body;
      EXPECT_EQ(told[0], "a");
      EXPECT_TRUE(told[1].starts_with("the update is not valid JSON: ") && told[1].contains("(line 2, column "))
          << told[1];
      EXPECT_EQ(told[2], "c");
    }
  }
}

TEST(ParseBatch, AFaultSaysWhereInTheWholeItIs) {
  EXPECT_EQ(read("[" + update("a") + ",\n  {\"filename\": oops}]"),
            Told{"refused: the body is not valid JSON: expected a value, found 'o' (line 2, column 16)"});
  EXPECT_EQ(read("\xEF\xBB\xBF[]"),
            Told{"refused: the body is not valid JSON: it begins with a byte order mark (U+FEFF), which JSON must not "
                 "have (line 1, column 1)"});
}

TEST(ParseBatch, AnUpdateMayComeInAnEvent) {
  EXPECT_EQ(read(R"([{"specversion":"1.0","id":"1","source":"s","type":"t","data":)" + update("a") + "}," +
                 update("b") + R"(,{"specversion":"1.0","data":)" + update("c") + "}]"),
            (Told{"a", "b", "id must be a string of 1 to 256 bytes without control characters"}));
}

TEST(BatchReader, APortionIsBounded) {
  std::string items = R"({"message":""})";
  for (int i = 1; i < 10'000; ++i) items += R"(,{"message":""})";
  const auto heavy = update("a", ",\"errors\":[" + items + "],\"warnings\":[" + items + "]");
  std::string body = "[" + heavy;
  for (int i = 1; i < 20; ++i) body += "," + heavy;
  const auto good = body + "]";
  auto reader = *BatchReader::open(good, BatchForm::json);
  std::size_t updates = 0;
  std::size_t portions = 0;
  for (; !reader.is_done(); ++portions) {
    const auto portion = reader.read();
    ASSERT_TRUE(portion);
    std::size_t bytes = 0;
    for (const auto& item : *portion) bytes += bytes_of(item);
    EXPECT_LE(bytes, portion_memory_max);
    updates += portion->size();
  }
  EXPECT_EQ(updates, 20U);
  EXPECT_GT(portions, 4U);
  // What is wrong at the very end is known before anything is handed out.
  EXPECT_FALSE(parse_batch(body + ",{]", BatchForm::json));
  const auto bad = body + ",nul]";
  EXPECT_FALSE(BatchReader::open(bad, BatchForm::json)->read());
}

TEST(ParseBatch, HasAtMostSoManyUpdates) {
  std::string lines;
  std::string array = "[";
  for (std::size_t i = 0; i < batch_updates_max; ++i) {
    lines += "1\n";
    array += i == 0 ? "1" : ",1";
  }
  EXPECT_EQ(parse_batch(lines, BatchForm::ndjson)->size(), batch_updates_max);
  EXPECT_EQ(parse_batch(array + "]", BatchForm::json)->size(), batch_updates_max);
  EXPECT_TRUE(parse_batch(lines + "1", BatchForm::ndjson).error().has_too_many);
  EXPECT_TRUE(parse_batch(array + ",1]", BatchForm::json).error().has_too_many);
}

TEST(ParseBatch, EachUpdateHasTheBoundOfASingleOne) {
  const auto fill = [](std::size_t bytes) {
    const auto bare = update("a", R"(,"x":"")").size();
    return update("a", R"(,"x":")" + std::string(bytes - bare, 'x') + '"');
  };
  const Told expected{"a", "too large", "b"};
  EXPECT_EQ(read("[" + fill(update_bytes_max) + " , " + fill(update_bytes_max + 1) + "," + update("b") + "]"),
            expected);
  EXPECT_EQ(read(fill(update_bytes_max) + " \n" + fill(update_bytes_max + 1) + "\n" + update("b"), BatchForm::ndjson),
            expected);
  EXPECT_TRUE(read("[\"" + std::string(update_bytes_max, 'x') + "]").front().starts_with("refused"));
}

TEST(ParseBatch, FaultsAreBoundedTogether) {
  std::string line = R"({"filename":"a","counts":{"done":1,"warn":0,"failed":0},"errors":[0)";
  for (int i = 1; i < 100; ++i) line += ",0";
  line += "]}\n";
  std::string body;
  for (std::size_t i = 0; i < 102; ++i) body += line;
  const auto items = parse_batch(body, BatchForm::ndjson);
  ASSERT_TRUE(items);
  EXPECT_EQ(std::get<Faults>((*items)[0]).size(), 100U);
  EXPECT_EQ(std::get<Faults>((*items)[99]).size(), 100U);
  EXPECT_EQ(std::get<Faults>((*items)[100]).size(), 1U);
  EXPECT_EQ(std::get<Faults>((*items)[101]).size(), 1U);
}

}  // namespace
}  // namespace pebbles::admission
