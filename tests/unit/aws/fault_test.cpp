#include "aws/fault.hpp"

#include <gtest/gtest.h>

namespace pebbles::aws {
namespace {

Fault of_type(int status, std::string_view type) {
  return read_fault(status, R"({"__type":")" + std::string{type} + "\"}", "");
}

TEST(Fault, TheCodeIsThePartBehindTheHash) {
  const auto fault = read_fault(
      400, R"({"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."})",
      "AWS.SimpleQueueService.NonExistentQueue;Sender");
  EXPECT_EQ(fault.kind, FaultKind::refused);
  EXPECT_EQ(fault.status, 400);
  EXPECT_EQ(fault.code, "QueueDoesNotExist");
  EXPECT_EQ(fault.message, "The specified queue does not exist.");
}

TEST(Fault, WithoutATypeTheHeaderNamesTheCode) {
  EXPECT_EQ(read_fault(400, "{}", "OverLimit;Sender").code, "OverLimit");
  EXPECT_EQ(read_fault(400, "<html>", "OverLimit").kind, FaultKind::throttled);
  EXPECT_EQ(read_fault(400, "{}", "").code, "");
}

TEST(Fault, BothSpellingsOfAMessageAreRead) {
  EXPECT_EQ(read_fault(400, R"({"Message":"a"})", "").message, "a");
  EXPECT_EQ(read_fault(400, R"({"message":7})", "").message, "");
}

TEST(Fault, TheKindFollowsFromCodeAndStatus) {
  for (const auto& [status, type, kind] : std::vector<std::tuple<int, std::string, FaultKind>>{
           {400, "com.amazonaws.sqs#RequestThrottled", FaultKind::throttled},
           {400, "ThrottlingException", FaultKind::throttled},
           {403, "com.amazonaws.sqs#OverLimit", FaultKind::throttled},
           {503, "SlowDown", FaultKind::throttled},
           {429, "", FaultKind::throttled},
           {500, "InternalError", FaultKind::away},
           {503, "ServiceUnavailable", FaultKind::away},
           {502, "", FaultKind::away},
           {408, "", FaultKind::away},
           {403, "com.amazon.coral.service#AccessDeniedException", FaultKind::denied},
           {400, "com.amazonaws.sqs#AccessDenied", FaultKind::denied},
           {400, "com.amazon.coral.service#ExpiredTokenException", FaultKind::denied},
           {400, "UnrecognizedClientException", FaultKind::denied},
           {400, "com.amazonaws.sqs#InvalidSecurity", FaultKind::denied},
           {401, "", FaultKind::denied},
           {403, "", FaultKind::denied},
           {400, "com.amazonaws.sqs#QueueDoesNotExist", FaultKind::refused},
           {400, "com.amazon.coral.service#SerializationException", FaultKind::refused},
           {404, "", FaultKind::refused},
           {301, "", FaultKind::refused}})
    EXPECT_EQ(name_of(of_type(status, type).kind), name_of(kind)) << status << ' ' << type;
}

TEST(Fault, OtherCredentialsHelpWhereTheseAreBad) {
  for (const auto* type : {"ExpiredTokenException", "x#InvalidClientTokenId", "SignatureDoesNotMatch", ""})
    EXPECT_TRUE(blames_credentials(of_type(403, type))) << type;
  for (const auto* type : {"AccessDeniedException", "x#RequestTimeTooSkewed", "InvalidSecurity"})
    EXPECT_FALSE(blames_credentials(of_type(403, type))) << type;
  EXPECT_FALSE(blames_credentials(of_type(400, "QueueDoesNotExist")));
}

}  // namespace
}  // namespace pebbles::aws
