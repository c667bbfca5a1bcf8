#include "ingest/state_cache.hpp"

#include <gtest/gtest.h>

namespace pebbles::ingest {
namespace {

store::SnapshotPtr state(const std::string& filename, domain::Version version = 1) {
  auto out = std::make_shared<store::Snapshot>();
  out->stream = {domain::ClientKrn{"krn:acme"}, domain::Filename{filename}};
  out->progress.version = version;
  return out;
}

TEST(StateCache, KeepsTheNewestStateOfAStream) {
  StateCache cache{1UL << 20U};
  cache.put(state("a", 1));
  const auto newer = state("a", 2);
  cache.put(newer);
  EXPECT_EQ(cache.find(newer->stream), newer);
  cache.erase(newer->stream);
  EXPECT_EQ(cache.find(newer->stream), nullptr);
}

TEST(StateCache, ForgetsWhatWasUsedLongestAgo) {
  const auto a = state("a");
  StateCache cache{3 * store::bytes_of(*a)};
  cache.put(a);
  cache.put(state("b"));
  cache.put(state("c"));
  EXPECT_EQ(cache.find(a->stream), a);  // now "b" is the oldest
  cache.put(state("d"));
  EXPECT_EQ(cache.find(a->stream), a);
  EXPECT_EQ(cache.find(state("b")->stream), nullptr);
  EXPECT_NE(cache.find(state("d")->stream), nullptr);
}

TEST(StateCache, HoldsNothingLargerThanItself) {
  StateCache cache{10};
  cache.put(state("a"));
  EXPECT_EQ(cache.find(state("a")->stream), nullptr);
}

}  // namespace
}  // namespace pebbles::ingest
