#include "base/hex.hpp"

#include <gtest/gtest.h>

#include <array>

namespace pebbles {
namespace {

TEST(Hex, EveryByteGoesThereAndBack) {
  for (int value = 0; value < 256; ++value) {
    const std::array<std::uint8_t, 1> byte{static_cast<std::uint8_t>(value)};
    const auto digits = to_hex(byte);
    std::array<std::uint8_t, 1> back{};
    ASSERT_TRUE(from_hex(digits, back)) << digits;
    EXPECT_EQ(back, byte);
  }
}

TEST(Hex, IsWrittenInLowerCaseAndReadInBoth) {
  const std::array<std::uint8_t, 3> bytes{0x00, 0xab, 0xff};
  EXPECT_EQ(to_hex(bytes), "00abff");
  std::array<std::uint8_t, 3> back{};
  EXPECT_TRUE(from_hex("00aBFf", back));
  EXPECT_EQ(back, bytes);
}

TEST(Hex, NothingIsNothing) {
  EXPECT_EQ(to_hex({}), "");
  EXPECT_TRUE(from_hex("", {}));
}

class NotHex : public testing::TestWithParam<std::string> {};

TEST_P(NotHex, IsRefused) {
  std::array<std::uint8_t, 2> bytes{};
  EXPECT_FALSE(from_hex(GetParam(), bytes));
}

INSTANTIATE_TEST_SUITE_P(Rows, NotHex,
                         testing::Values("", "0", "000", "00000", "000000", "00g0", "0x00", " 000", "000 ", "-001",
                                         "00/0", "00:0", "00@0", "00`0",
                                         std::string("00\0"
                                                     "0",
                                                     4)));

}  // namespace
}  // namespace pebbles
