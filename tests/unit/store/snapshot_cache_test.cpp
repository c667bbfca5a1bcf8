#include "store/sqlite/snapshot_cache.hpp"

#include <gtest/gtest.h>

namespace pebbles::store::sqlite {
namespace {

SnapshotPtr snapshot(const std::string& client, const std::string& filename, Version version, std::uint8_t id = 1) {
  auto out = std::make_shared<Snapshot>();
  out->stream = {domain::ClientKrn{client}, domain::Filename{filename}};
  out->progress.version = version;
  out->progress.owner = domain::Email{"ann@example.com"};
  out->progress.id.back() = id;
  return out;
}

constexpr std::size_t wide = 1U << 20U;

TEST(SnapshotCache, FindsByNameAndByIdWithinTheClient) {
  SnapshotCache cache{wide};
  const auto mine = snapshot("krn:a", "f", 1);
  const auto theirs = snapshot("krn:b", "f", 2);  // the same name and id
  cache.put(mine, cache.epoch());
  cache.put(theirs, cache.epoch());
  EXPECT_EQ(cache.find(mine->stream), mine);
  EXPECT_EQ(cache.find(theirs->stream), theirs);
  EXPECT_EQ(cache.find(mine->stream.client, mine->progress.id), mine);
  EXPECT_EQ(cache.find(theirs->stream.client, theirs->progress.id), theirs);
  EXPECT_EQ(cache.find(domain::ClientKrn{"krn:c"}, mine->progress.id), nullptr);
}

TEST(SnapshotCache, WhatWasReadBeforeTheTablesChangedIsRefused) {
  SnapshotCache cache{wide};
  const auto before = cache.epoch();
  cache.written_out(snapshot("krn:a", "f", 2));
  cache.put(snapshot("krn:a", "f", 1), before);
  EXPECT_EQ(cache.find(snapshot("krn:a", "f", 1)->stream), nullptr);
}

TEST(SnapshotCache, WhatIsWrittenOutReplacesWhatIsHeldAndAddsNothing) {
  SnapshotCache cache{wide};
  const auto newer = snapshot("krn:a", "held", 2);
  cache.put(snapshot("krn:a", "held", 1), cache.epoch());
  cache.written_out(newer);
  cache.written_out(snapshot("krn:a", "not held", 1, 2));
  EXPECT_EQ(cache.find(newer->stream), newer);
  EXPECT_EQ(cache.find(newer->stream.client, newer->progress.id), newer);
  EXPECT_EQ(cache.find(domain::StreamId{domain::ClientKrn{"krn:a"}, domain::Filename{"not held"}}), nullptr);
}

TEST(SnapshotCache, WhatWasDeletedIsNotHeld) {
  SnapshotCache cache{wide};
  const auto before = snapshot("krn:a", "f", 1);
  cache.put(before, cache.epoch());
  auto gone = std::make_shared<Snapshot>(*before);
  gone->progress.owner = {};
  cache.written_out(gone);
  EXPECT_EQ(cache.find(before->stream), nullptr);
  EXPECT_EQ(cache.find(before->stream.client, before->progress.id), nullptr);
}

TEST(SnapshotCache, IsBoundedAndKeepsWhatIsUsed) {
  const auto used = snapshot("krn:a", "used", 1, 0);
  SnapshotCache cache{10 * bytes_of(*used)};
  cache.put(used, cache.epoch());
  int held = 0;
  for (std::uint8_t i = 1; i < 100; ++i) {
    cache.put(snapshot("krn:a", std::to_string(i), 1, i), cache.epoch());
    EXPECT_EQ(cache.find(used->stream), used);
  }
  for (std::uint8_t i = 1; i < 100; ++i)
    if (cache.find(domain::StreamId{domain::ClientKrn{"krn:a"}, domain::Filename{std::to_string(i)}})) ++held;
  EXPECT_GE(held, 5);
  EXPECT_LE(held, 10);
}

}  // namespace
}  // namespace pebbles::store::sqlite
