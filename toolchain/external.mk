# Packages of this tree; there are none yet, and an empty match is fine.
include $(sort $(wildcard $(BR2_EXTERNAL_BRASM_PATH)/package/*/*.mk))
