// SPDX-License-Identifier: Apache-2.0
#include "common/wire/frame.hpp"

#include <rapidcheck/gtest.h>

#include <algorithm>

namespace vpowercap {
namespace {

using namespace std::string_literals;

RC_GTEST_PROP(Frame, RoundTripsAnyValue, (std::string value)) {
  value.erase(std::remove(value.begin(), value.end(), '\0'), value.end());
  const Frame frame{"hook", {{"xml", value}, {"uuid", "x"}}};
  RC_ASSERT(*decode(*encode(frame)) == frame);
}

RC_GTEST_PROP(Frame, DecodingAnyBytesFailsCleanly, (const std::string& bytes)) {
  const auto frame = decode(bytes);
  RC_ASSERT(frame || frame.error().code == EPROTO);
}

TEST(Frame, RefusesWhatCannotBeCarried) {
  EXPECT_EQ(encode({"hook", {{"a", "x\0y"s}}}).error().code, EINVAL);
  EXPECT_EQ(encode({"Hook", {}}).error().code, EINVAL);
  EXPECT_EQ(encode({"hook", {{"a", std::string(max_frame_size, 'x')}}}).error().code, EMSGSIZE);
}

TEST(Frame, Carries32FieldsAndNamesOf32BytesAndNoMore) {
  Frame frame{std::string(32, 'k'), {}};
  for (int i = 10; i < 42; ++i) frame.fields[std::string(30, 'f') + std::to_string(i)] = "value";
  const auto bytes = encode(frame);
  ASSERT_TRUE(bytes) << bytes.error().message;
  EXPECT_EQ(decode(*bytes), frame);
  EXPECT_EQ(decode(*bytes + "g\0x\0"s).error().code, EPROTO) << "the 33rd";
  auto more = frame;
  more.fields["g"] = "value";
  EXPECT_EQ(encode(more).error().code, EINVAL);
  EXPECT_EQ(encode({std::string(33, 'k'), {}}).error().code, EINVAL);
  EXPECT_EQ(encode({"hook", {{std::string(33, 'f'), "value"}}}).error().code, EINVAL);
  const auto long_name = "VPC1\0hook\0"s + std::string(33, 'f') + "\0x\0"s;
  EXPECT_EQ(decode(long_name).error().code, EPROTO);
}

TEST(Frame, RefusesTruncatedAndRepeatedFields) {
  EXPECT_EQ(decode("VPC1\0hook\0a\0b"s).error().code, EPROTO);
  EXPECT_EQ(decode("VPC1\0hook\0a\0b\0a\0c\0"s).error().code, EPROTO);
  EXPECT_EQ(decode("VPC2\0hook\0"s).error().code, EPROTO);
  EXPECT_EQ(decode(std::string(max_frame_size + 1, 'x')).error().code, EMSGSIZE);
}

}  // namespace
}  // namespace vpowercap
