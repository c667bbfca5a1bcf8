#include "ingress/sqs/group_lines.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pebbles::sqs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// An update of a file; of none, a message that is no update.
Arrival arrival(Ticket ticket, const std::string& group, const std::string& file) {
  Arrival out{.ticket = ticket, .group = group, .what = admission::Unusable{}};
  if (!file.empty()) {
    out.what = ingest::Pending{
        .stream = {.client = domain::ClientKrn{"krn:a"}, .filename = domain::Filename{file}},
        .command = domain::Report{},
        .ack = {},
    };
  }
  return out;
}

std::vector<Ticket> tickets(const std::vector<Arrival>& arrivals) {
  std::vector<Ticket> out;
  for (const auto& one : arrivals) out.push_back(one.ticket);
  return out;
}

TEST(SqsGroupLines, UpdatesOfOneFileGoTogether) {
  GroupLines lines;
  for (const Ticket ticket : {1, 2, 3}) lines.add(arrival(ticket, "g", "a.csv"));
  EXPECT_THAT(tickets(lines.take_ready()), ElementsAre(1, 2, 3));
  EXPECT_FALSE(lines.has_ready());
}

TEST(SqsGroupLines, AnotherFileWaitsForTheWholeRun) {
  GroupLines lines;
  lines.add(arrival(1, "g", "a.csv"));
  lines.add(arrival(2, "g", "a.csv"));
  lines.add(arrival(3, "g", "b.csv"));
  lines.add(arrival(4, "g", "a.csv"));
  EXPECT_THAT(tickets(lines.take_ready()), ElementsAre(1, 2));
  EXPECT_TRUE(lines.finish(2));
  EXPECT_THAT(lines.take_ready(), IsEmpty());
  EXPECT_TRUE(lines.finish(1));
  EXPECT_THAT(tickets(lines.take_ready()), ElementsAre(3));
  EXPECT_TRUE(lines.finish(3));
  EXPECT_THAT(tickets(lines.take_ready()), ElementsAre(4));
}

TEST(SqsGroupLines, WhatIsNoUpdateGoesAlone) {
  GroupLines lines;
  lines.add(arrival(1, "g", "a.csv"));
  lines.add(arrival(2, "g", ""));
  lines.add(arrival(3, "g", ""));
  lines.add(arrival(4, "g", "a.csv"));
  EXPECT_THAT(tickets(lines.take_ready()), ElementsAre(1));
  lines.finish(1);
  EXPECT_THAT(tickets(lines.take_ready()), ElementsAre(2));
  lines.finish(2);
  EXPECT_THAT(tickets(lines.take_ready()), ElementsAre(3));
  lines.finish(3);
  EXPECT_THAT(tickets(lines.take_ready()), ElementsAre(4));
}

TEST(SqsGroupLines, GroupsDoNotWaitForEachOther) {
  GroupLines lines;
  lines.add(arrival(1, "g", "a.csv"));
  EXPECT_THAT(tickets(lines.take_ready()), ElementsAre(1));
  lines.add(arrival(2, "g", "a.csv"));
  lines.add(arrival(3, "h", "a.csv"));
  EXPECT_THAT(tickets(lines.take_ready()), ElementsAre(3));
}

TEST(SqsGroupLines, WhatWaitsBehindAMessageThatComesAgainIsTakenOut) {
  GroupLines lines;
  lines.add(arrival(1, "g", "a.csv"));
  lines.add(arrival(2, "g", "b.csv"));
  lines.add(arrival(3, "g", "c.csv"));
  (void)lines.take_ready();
  EXPECT_THAT(tickets(lines.abandon(1)), ElementsAre(2, 3));
  EXPECT_FALSE(lines.has_ready());
  lines.add(arrival(4, "g", "a.csv"));
  EXPECT_THAT(tickets(lines.take_ready()), ElementsAre(4));
  EXPECT_FALSE(lines.finish(1));
}

TEST(SqsGroupLines, AtTheEndWhatWaitsIsTaken) {
  GroupLines lines;
  lines.add(arrival(1, "g", "a.csv"));
  lines.add(arrival(2, "g", "b.csv"));
  (void)lines.take_ready();
  EXPECT_THAT(tickets(lines.take_all()), ElementsAre(2));
  EXPECT_FALSE(lines.finish(1));
}

}  // namespace
}  // namespace pebbles::sqs
