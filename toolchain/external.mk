# Packages of this tree; an empty match is fine.
include $(sort $(wildcard $(BR2_EXTERNAL_BRASM_PATH)/package/*/*.mk))

# Read after Buildroot's own packages, whose variables are expanded when their recipes run.
ifeq ($(BR2_BRASM_TASKD_STATIC),y)
TASKD_CONF_OPTS += \
	-DCMAKE_EXE_LINKER_FLAGS="$(TARGET_LDFLAGS) -static -Wl,--gc-sections" \
	-DCMAKE_FIND_LIBRARY_SUFFIXES=.a \
	-DGNUTLS_LIBRARY="gnutls;hogweed;nettle;gmp;tasn1;unistring"
endif
