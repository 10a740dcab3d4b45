# Where archives come from, in the order in which they are asked for.

ifeq ($(origin DL_DIR),undefined)
DL_DIR := $(or $(call qstrip,$(BR2_DL_DIR)),$(TOPDIR)/dl)
else
BR2_DL_DIR = $(DL_DIR)
endif
DL_DIR := $(shell mkdir -p $(DL_DIR) && cd $(DL_DIR) >/dev/null && pwd -P)

geturischeme = $(firstword $(subst ://, ,$(call qstrip,$(1))))
getschemeplusuri = $(call geturischeme,$(1))$(if $(2),\|$(2))+$(1)
github = https://github.com/$(1)/$(2)/archive/$(3)

BR_NO_CHECK_HASH_FOR =

ifneq ($(call qstrip,$(BR2_PRIMARY_SITE)),)
DOWNLOAD_URIS += \
	$(call getschemeplusuri,$(call qstrip,$(BR2_PRIMARY_SITE)/$($(2)_DL_SUBDIR)),urlencode) \
	$(call getschemeplusuri,$(call qstrip,$(BR2_PRIMARY_SITE)),urlencode)
endif
ifeq ($(BR2_PRIMARY_SITE_ONLY),)
DOWNLOAD_URIS += $(patsubst %/,%,$(dir $(call qstrip,$(1))))
ifneq ($(call qstrip,$(BR2_BACKUP_SITE)),)
DOWNLOAD_URIS += \
	$(call getschemeplusuri,$(call qstrip,$(BR2_BACKUP_SITE)/$($(2)_DL_SUBDIR)),urlencode) \
	$(call getschemeplusuri,$(call qstrip,$(BR2_BACKUP_SITE)),urlencode)
endif
endif

ifneq ($(BR_ORIG_UMASK),)
DOWNLOAD_SET_UMASK = umask $(BR_ORIG_UMASK);
endif

define DOWNLOAD
	@$(DOWNLOAD_SET_UMASK) [ -d $($(PKG)_DL_DIR) ] || mkdir -p $($(PKG)_DL_DIR); \
	STANDIN_PACKAGE='$($(PKG)_NAME)' STANDIN_PROVIDES='$(strip $($(PKG)_PROVIDES))' \
	LOCALFILES="$(call qstrip,$(BR2_LOCALFILES))" \
	WGET="$(call qstrip,$(BR2_WGET))" \
	BR_NO_CHECK_HASH_FOR="$(if $(BR2_DOWNLOAD_FORCE_CHECK_HASHES),,$(BR_NO_CHECK_HASH_FOR))" \
	exec support/download/dl-wrapper \
		-D '$(DL_DIR)' \
		-f '$(notdir $(1))' \
		$(foreach f,$($(PKG)_HASH_FILES),-H '$(f)') \
		-o '$($(PKG)_DL_DIR)/$(notdir $(1))' \
		$(foreach uri,$(call DOWNLOAD_URIS,$(1),$(PKG)),-u $(uri))
endef
