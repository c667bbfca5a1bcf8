#include "domain/decide.hpp"

#include <gtest/gtest.h>

#include "scenario.hpp"

namespace pebbles::domain {
namespace {

using std::chrono::milliseconds;

constexpr auto not_the_owner = Rejection::not_the_owner;
constexpr auto key_reused = Rejection::key_reused;
constexpr auto already_completed = Rejection::already_completed;
constexpr auto counter_overflow = Rejection::counter_overflow;

const LogPosition at_5{.log = "log", .topic = "topic", .partition = 0, .offset = 5};

LogPosition moved(LogPosition position, std::int64_t by) {
  position.offset += by;
  return position;
}
LogPosition in_partition(std::int32_t partition) {
  auto out = at_5;
  out.partition = partition;
  return out;
}

TagList tags(std::vector<Version> versions, FileId id = first_id) {
  TagList out;
  for (const auto version : versions) out.tags.push_back({.id = id, .version = version});
  return out;
}
Told only_if_match(TagList list, Told told = {}) {
  told.only_if = std::make_shared<Precondition>(Precondition{.if_match = std::move(list), .if_none_match = {}});
  return told;
}
Told only_if_none_matches(TagList list, Told told = {}) {
  told.only_if = std::make_shared<Precondition>(Precondition{.if_match = {}, .if_none_match = std::move(list)});
  return told;
}

struct Rule {
  std::string name;
  std::vector<Told> given;
  Told when;
  Expected then;
};

void PrintTo(const Rule& rule, std::ostream* out) { *out << rule.name; }

class Rules : public testing::TestWithParam<Rule> {};

TEST_P(Rules, Hold) { Scenario{}.given(GetParam().given).when(GetParam().when).then(GetParam().then); }

const Told first{};
const Told last{.is_last = true};
const Told keyed{.key = "p:1", .fingerprint = "same"};
const Told full{.counts = {.done = count_max, .warn = count_max, .failed = count_max}};
const Told from_kafka{.position = at_5};
const Told nothing{.counts = {}};
const Told gone{.deletes = true};
const TagList any{.any = true, .tags = {}};
constexpr auto precondition_failed = Rejection::precondition_failed;

const std::vector<Rule> rules{
    {"FirstUpdateCreates", {}, first, accepted(1)},
    {"NextUpdateHasNextVersion", {first, first}, first, accepted(3)},
    {"FirstUpdateMayComplete", {}, last, accepted(1)},
    {"FirstUpdateMayCarryTheLargestCounts", {}, full, accepted(1)},
    {"UpdateMayAddNothing", {first}, nothing, accepted(2)},
    {"UpdateMayAddNothingAtTheLimit", {full}, nothing, accepted(2)},

    {"OnlyTheOwnerUpdates", {first}, {.by = "bob@example.com"}, rejected(not_the_owner)},
    {"OwnersAreComparedByteByByte", {first}, {.by = "Ann@example.com"}, rejected(not_the_owner)},
    {"OwnershipComesBeforeCompletion", {last}, {.by = "bob@example.com"}, rejected(not_the_owner)},
    {"OwnershipComesBeforeReplay",
     {keyed},
     {.by = "bob@example.com", .key = "p:1", .fingerprint = "same"},
     rejected(not_the_owner)},
    {"OwnershipComesBeforePosition",
     {from_kafka},
     {.by = "bob@example.com", .position = at_5},
     rejected(not_the_owner)},
    {"OwnershipComesBeforeOverflow", {full}, {.by = "bob@example.com", .counts = {.done = 1}}, rejected(not_the_owner)},

    {"ReplayIsADuplicateOfItsVersion", {first, keyed, first}, keyed, duplicate(2)},
    {"ReplayIsAReplayAfterCompletion", {keyed, last}, keyed, duplicate(1)},
    {"ReplayOfTheCompletingUpdate",
     {first, {.is_last = true, .key = "p:2", .fingerprint = "end"}},
     {.is_last = true, .key = "p:2", .fingerprint = "end"},
     duplicate(2)},
    {"ReplayComesBeforeOverflow", {keyed, {.counts = {.done = count_max - 1}}}, keyed, duplicate(1)},
    {"KeyWithAnotherUpdateIsReused", {keyed}, {.key = "p:1", .fingerprint = "other"}, rejected(key_reused)},
    {"KeyReuseComesBeforeCompletion", {keyed, last}, {.key = "p:1", .fingerprint = "other"}, rejected(key_reused)},
    {"AnotherKeyIsAnotherUpdate", {keyed}, {.key = "p:2", .fingerprint = "same"}, accepted(2)},
    {"KeySpacesAreApart", {keyed}, {.key = "s:1", .fingerprint = "same"}, accepted(2)},
    {"WithoutKeyNothingIsAReplay", {first}, first, accepted(2)},

    {"CompletionIsFinal", {last}, first, rejected(already_completed)},
    {"CompletionIsFinalForTheLastToo", {last}, last, rejected(already_completed)},
    {"CompletionIsFinalForANewKey", {last}, keyed, rejected(already_completed)},
    {"CompletionComesBeforeOverflow",
     {{.counts = {.done = count_max}, .is_last = true}},
     first,
     rejected(already_completed)},

    {"DoneReachesTheLimit", {{.counts = {.done = count_max - 1}}}, {.counts = {.done = 1}}, accepted(2)},
    {"WarnReachesTheLimit", {{.counts = {.warn = count_max - 1}}}, {.counts = {.warn = 1}}, accepted(2)},
    {"FailedReachesTheLimit", {{.counts = {.failed = count_max - 1}}}, {.counts = {.failed = 1}}, accepted(2)},
    {"DoneDoesNotOverflow", {{.counts = {.done = count_max}}}, {.counts = {.done = 1}}, rejected(counter_overflow)},
    {"WarnDoesNotOverflow", {{.counts = {.warn = count_max}}}, {.counts = {.warn = 1}}, rejected(counter_overflow)},
    {"FailedDoesNotOverflow",
     {{.counts = {.failed = count_max}}},
     {.counts = {.failed = 1}},
     rejected(counter_overflow)},
    {"LargestPlusLargestDoesNotOverflow", {full}, full, rejected(counter_overflow)},
    {"CountersOverflowEachForItself", {{.counts = {.done = count_max}}}, {.counts = {.warn = count_max}}, accepted(2)},

    {"PositionIsCountedOnce", {from_kafka}, from_kafka, duplicate(1)},
    {"EarlierPositionWasCounted", {first, from_kafka}, {.position = moved(at_5, -1)}, duplicate(2)},
    {"LaterPositionIsNew", {from_kafka}, {.position = moved(at_5, 1)}, accepted(2)},
    {"PositionStaysCountedAfterCompletion", {from_kafka, last}, from_kafka, duplicate(2)},
    {"NewPositionAfterCompletion", {from_kafka, last}, {.position = moved(at_5, 1)}, rejected(already_completed)},
    {"PartitionsAreApart", {from_kafka}, {.position = in_partition(1)}, accepted(2)},
    {"TopicsAreApart", {from_kafka}, {.position = LogPosition{"log", "other", 0, 5}}, accepted(2)},
    {"LogsAreApart", {from_kafka}, {.position = LogPosition{"other", "topic", 0, 5}}, accepted(2)},
    {"PositionComesBeforeKey",
     {{.key = "p:1", .fingerprint = "same", .position = at_5}},
     {.key = "p:1", .fingerprint = "other", .position = at_5},
     duplicate(1)},
    {"KeyIsKnownAtANewPosition",
     {{.key = "p:1", .fingerprint = "same", .position = at_5}},
     {.key = "p:1", .fingerprint = "same", .position = moved(at_5, 1)},
     duplicate(1)},
    {"TheOwnerDeletes", {first}, gone, accepted(2)},
    {"ACompletedFileIsDeleted", {last}, gone, accepted(2)},
    {"OnlyTheOwnerDeletes", {first}, {.by = "bob@example.com", .deletes = true}, rejected(not_the_owner)},
    {"WhatIsDeletedIsNotDeletedAgain", {first, gone}, gone, rejected(Rejection::no_such_file)},
    {"AFreshUploadStartsANewLife", {last, gone}, first, accepted(3)},
    {"AnybodyStartsANewLife", {first, gone}, {.by = "bob@example.com"}, accepted(3)},
    {"ANewLifeHasItsOwnOwner", {first, gone, {.by = "bob@example.com"}}, first, rejected(not_the_owner)},
    {"ANewLifeCountsFromZero", {full, gone}, full, accepted(3)},
    {"ARedeliveryBringsNothingBack", {keyed, gone}, keyed, duplicate(2)},
    {"ARedeliveryByPositionBringsNothingBack", {from_kafka, gone}, from_kafka, duplicate(2)},
    {"AKeyOfAnEarlierLifeIsReused", {keyed, gone}, {.key = "p:1", .fingerprint = "other"}, rejected(key_reused)},
    {"ARedeliveryOfAnEarlierLifeIsADuplicateForANewOwner",
     {keyed, gone, {.by = "bob@example.com"}},
     keyed,
     duplicate(3)},
    {"ByPositionToo", {from_kafka, gone, {.by = "bob@example.com"}}, from_kafka, duplicate(3)},
    {"ANewPositionIsTheNewOwners",
     {from_kafka, gone, {.by = "bob@example.com"}},
     {.position = moved(at_5, 1)},
     rejected(not_the_owner)},
    {"ARedeliveryOfAnEarlierLifeIsADuplicateAfterCompletion", {keyed, gone, last}, keyed, duplicate(3)},
    {"ARedeliveryOfThePresentLifeIsAskedForItsOwner",
     {first, gone, keyed},
     {.by = "bob@example.com", .key = "p:1", .fingerprint = "same"},
     rejected(not_the_owner)},
    {"PositionsOutliveLives", {from_kafka, gone, first, gone}, from_kafka, duplicate(4)},

    {"TheKnownVersionIsUpdated", {first, first}, only_if_match(tags({2})), accepted(3)},
    {"OneOfSeveralKnownVersionsIsEnough", {first, first}, only_if_match(tags({1, 2})), accepted(3)},
    {"AnEarlierVersionIsNotUpdated", {first, first}, only_if_match(tags({1})), rejected(precondition_failed)},
    {"ALaterVersionIsNotUpdated", {first, first}, only_if_match(tags({3})), rejected(precondition_failed)},
    {"NoKnownVersionMatchesNothing", {first}, only_if_match({}), rejected(precondition_failed)},
    {"AnotherFileOfTheNameIsNotUpdated", {first}, only_if_match(tags({1}, FileId{9})), rejected(precondition_failed)},
    {"AnyStateIsUpdated", {first, first}, only_if_match(any), accepted(3)},
    {"AnyStateMeansThatThereIsOne", {}, only_if_match(any), rejected(precondition_failed)},
    {"ADeletedFileHasNoState", {first, gone}, only_if_match(any), rejected(precondition_failed)},
    {"ATagOfAnEarlierLifeIsOver", {first, gone, first}, only_if_match(tags({1})), rejected(precondition_failed)},
    {"OnlyCreates", {}, only_if_none_matches(any), accepted(1)},
    {"OnlyCreatesAndDoesNotUpdate", {first}, only_if_none_matches(any), rejected(precondition_failed)},
    {"OnlyCreatesAfterADeletion", {first, gone}, only_if_none_matches(any), accepted(3)},
    {"AVersionThatMustNotBe", {first}, only_if_none_matches(tags({1})), rejected(precondition_failed)},
    {"AVersionThatIsNoMore", {first, first}, only_if_none_matches(tags({1})), accepted(3)},
    {"AReplayIsAReplayWhateverItAsksFor", {keyed, first}, only_if_match(tags({0}), keyed), duplicate(1)},
    {"ACreationIsReplayed", {only_if_none_matches(any, keyed)}, only_if_none_matches(any, keyed), duplicate(1)},
    {"OwnershipComesBeforePreconditions",
     {first},
     only_if_none_matches(any, {.by = "bob@example.com"}),
     rejected(not_the_owner)},
    {"KeyReuseComesBeforePreconditions",
     {keyed},
     only_if_none_matches(any, {.key = "p:1", .fingerprint = "other"}),
     rejected(key_reused)},
    {"PreconditionsComeBeforeCompletion", {last}, only_if_none_matches(any), rejected(precondition_failed)},
    {"TheKnownVersionIsDeleted", {first, first}, only_if_match(tags({2}), gone), accepted(3)},
    {"AnEarlierVersionIsNotDeleted", {first, first}, only_if_match(tags({1}), gone), rejected(precondition_failed)},
    {"OnlyTheOwnerDeletesAKnownVersion",
     {first, first},
     only_if_match(tags({1}), {.by = "bob@example.com", .deletes = true}),
     rejected(not_the_owner)},
    {"WhatIsDeletedIsNotThereBeforePreconditions",
     {first, gone},
     only_if_match(any, gone),
     rejected(Rejection::no_such_file)},

    {"OffsetZeroIsAPosition", {{.position = moved(at_5, -5)}}, {.position = moved(at_5, -5)}, duplicate(1)},
};

INSTANTIATE_TEST_SUITE_P(Table, Rules, testing::ValuesIn(rules), [](const auto& row) { return row.param.name; });

TEST(Decide, TheFirstEventCarriesTheFilesIdAndLaterOnesDoNot) {
  Scenario scenario;
  scenario.when(first, FileId{7}).then(accepted(1));
  EXPECT_EQ(scenario.event().id, FileId{7});
  scenario.given({first}).when(first, FileId{8}).then(accepted(2));
  EXPECT_EQ(scenario.event().id, std::nullopt);
}

TEST(Precondition, TagsSayWhichStateOfWhichFile) {
  Progress state;
  state.version = 12;
  state.id = FileId{1, 2};
  state.owner = Email{"ann@example.com"};
  state.updated_at = support::t0;
  const auto round = [](const Progress& of) {
    std::string text;
    append_state_tag(text, of);
    return read_state_tag(text + "3-1-100");
  };
  EXPECT_EQ(round(state), (StateTag{.id = state.id, .version = 12}));
  EXPECT_TRUE(is_current(*round(state), state));
  state.version = 0;
  const auto before_log = round(state);
  EXPECT_EQ(before_log, (StateTag{.id = state.id, .version = 0, .updated_at = support::t0}));
  EXPECT_TRUE(is_current(*before_log, state));
  EXPECT_TRUE(is_current(*before_log, evolve({}, adopt(state)))) << "its state has become its first event";
  state.updated_at += milliseconds{1};
  EXPECT_FALSE(is_current(*before_log, state)) << "the service before has updated it";
  const std::string id(24, '0');
  for (const auto& bad : {std::string{}, id, id + "-", id + "-1", id + "-x-", id + "--1-", id + "-0-", id + "-u5-1-",
                          id + "-u5-", id + "-u-0-", id + "-99999999999999999999-", "0" + id + "-1-", "x" + id + "1-"})
    EXPECT_EQ(read_state_tag(bad), std::nullopt) << bad;
}

TEST(Decide, ADeleteMeansOneFile) {
  Scenario scenario;
  scenario.given({first, gone, first});
  const Delete wanted{.id = scenario.state().id, .at = support::t0, .by = Email{"ann@example.com"}};
  Delete earlier = wanted;
  earlier.id = first_id;
  scenario.when_deleting(earlier).then(rejected(Rejection::no_such_file));
  scenario.when_deleting(wanted).then(accepted(4));
  EXPECT_EQ(scenario.event().id, wanted.id);
  Scenario{}.when_deleting(wanted).then(rejected(Rejection::no_such_file));
}

TEST(Decide, TheServiceDeletesOnlyWhatWasCompleteForLong) {
  const auto completed = support::t0 + milliseconds{5};
  Scenario scenario;
  scenario.given({first, {.at = completed, .is_last = true}});
  Delete wanted{.id = first_id, .at = support::t0, .by = {}, .completed_before = completed};
  scenario.when_deleting(wanted).then(rejected(Rejection::no_such_file));
  *wanted.completed_before += milliseconds{1};
  scenario.when_deleting(wanted).then(accepted(3));
  EXPECT_EQ(scenario.event().at, completed);
  EXPECT_TRUE(scenario.event().by->empty());
  scenario = Scenario{};
  scenario.given({first}).when_deleting(wanted).then(rejected(Rejection::no_such_file));
}

TEST(Decide, AnEventSaysAllThatTheReportSaid) {
  const Told told{.counts = {.done = 1, .warn = 2, .failed = 3},
                  .total = 9,
                  .is_last = true,
                  .errors = {{.line = 4, .message = "bad"}},
                  .warnings = {{.line = {}, .message = "odd"}},
                  .key = "p:1",
                  .fingerprint = "same",
                  .position = at_5};
  const auto report = report_of(told);
  const auto event = Scenario{}.when(told).event();
  EXPECT_EQ(std::get<Reported>(event.what), report.what);
  EXPECT_EQ(event.by, report.by);
  EXPECT_EQ(event.at, report.at);
  EXPECT_EQ(event.channel, Channel::kafka);
  EXPECT_EQ(event.key, report.key);
  EXPECT_EQ(event.position, report.position);
}

TEST(Decide, TimeNeverGoesBack) {
  const auto later = support::t0 + milliseconds{50};
  const auto earlier = support::t0 - std::chrono::hours{1};
  EXPECT_EQ(Scenario{}.given({{.at = later}}).when({.at = earlier}).event().at, later);
  EXPECT_EQ(Scenario{}.given({{.at = later}}).when({.at = later}).event().at, later);
  EXPECT_EQ(Scenario{}.given({{.at = earlier}}).when({.at = later}).event().at, later);
  EXPECT_EQ(Scenario{}.when({.at = earlier}).event().at, earlier);
}

TEST(Decide, OfTooManyPartitionsTheOneThatMovedLongestAgoIsForgotten) {
  std::vector<Told> given;
  for (std::int32_t partition = 0; partition < 256; ++partition) given.push_back({.position = in_partition(partition)});
  given.push_back({.position = moved(in_partition(0), 1)});  // 0 moves again, so 1 is the oldest now
  given.push_back({.position = in_partition(256)});
  Scenario scenario;
  scenario.given(given);
  EXPECT_EQ(scenario.state().positions.size(), positions_max);
  scenario.when({.position = in_partition(0)}).then(duplicate(258));
  scenario.when({.position = in_partition(2)}).then(duplicate(258));
  scenario.when({.position = in_partition(256)}).then(duplicate(258));
  scenario.when({.position = in_partition(1)}).then(accepted(259));
}

TEST(Decide, RejectionsHaveStableNames) {
  EXPECT_EQ(name_of(not_the_owner), "not_the_owner");
  EXPECT_EQ(name_of(key_reused), "key_reused");
  EXPECT_EQ(name_of(already_completed), "already_completed");
  EXPECT_EQ(name_of(counter_overflow), "counter_overflow");
  EXPECT_EQ(name_of(Rejection::no_such_file), "no_such_file");
}

}  // namespace
}  // namespace pebbles::domain
