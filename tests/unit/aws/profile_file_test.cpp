#include "aws/profile_file.hpp"

#include <gtest/gtest.h>

namespace pebbles::aws {
namespace {

Profiles config(std::string_view text) { return parse_profiles(text, ProfileFileKind::config).value(); }
Profiles credentials(std::string_view text) { return parse_profiles(text, ProfileFileKind::credentials).value(); }

TEST(ProfileFile, NamesAreWrittenDifferentlyInTheTwoFiles) {
  EXPECT_EQ(credentials("[default]\na=1\n[dev]\na = 2\n[profile x]\na=3\n"),
            (Profiles{{"default", {{"a", "1"}}}, {"dev", {{"a", "2"}}}, {"profile x", {{"a", "3"}}}}));
  EXPECT_EQ(
      config("[default]\na=1\n[profile dev]\na = 2\n[profile \"two words\"]\na=3\n[dev]\na=4\n[sso-session s]\nb=5\n"
             "[profiles y]\na=6\n"),
      (Profiles{{"default", {{"a", "1"}}}, {"dev", {{"a", "2"}}}, {"two words", {{"a", "3"}}}}));
}

TEST(ProfileFile, AProfileOfTwoSectionsIsOneAndTheLaterSettingHolds) {
  EXPECT_EQ(credentials("[a]\nx=1\ny=1\n[b]\n[a]\nx=2\n"), (Profiles{{"a", {{"x", "2"}, {"y", "1"}}}, {"b", {}}}));
}

TEST(ProfileFile, ProfileDefaultHidesDefault) {
  EXPECT_EQ(config("[profile default]\na=1\n[default]\na=2\nb=2\n"), (Profiles{{"default", {{"a", "1"}}}}));
}

TEST(ProfileFile, CommentsSpacesLineEndsAndNestedSettings) {
  EXPECT_EQ(
      credentials("# first\r\n; second\r\n\r\n[ a ]  # third\r\nKey_ID =  x#y  ; fourth\r\n  nested = z\r\n\tmore\r\n"
                  "empty =\r\nlast = a=b"),
      (Profiles{{"a", {{"key_id", "x#y"}, {"empty", ""}, {"last", "a=b"}}}}));
  EXPECT_TRUE(credentials("").empty());
}

TEST(ProfileFile, AValueMayBeAllComment) {
  EXPECT_EQ(credentials("[a]\nx = ; no value\ny =;value\nz= \r\r\n"),
            (Profiles{{"a", {{"x", ""}, {"y", ";value"}, {"z", ""}}}}));
}

TEST(ProfileFile, AMalformedLineIsNumberedAndNotShown) {
  for (const auto* text :
       {"[a]\nsecret\n", "a=1\nsecret", "[a]\n=secret\n", "[a]\n[secret\n", "[a]\n[b] secret\n", "\n[]\n"}) {
    const auto read = parse_profiles(text, ProfileFileKind::credentials);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, Errc::invalid_argument);
    EXPECT_TRUE(read.error().detail.starts_with("line ")) << read.error().detail;
    EXPECT_EQ(read.error().detail.find("secret"), std::string::npos);
  }
  EXPECT_EQ(parse_profiles("[a]\n\n x\nb\n", ProfileFileKind::config).error().detail, "line 4 is malformed");
}

}  // namespace
}  // namespace pebbles::aws
