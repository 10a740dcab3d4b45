# Small functions that are used everywhere.

qstrip = $(strip $(subst ",,$(1)))
#"))

comma := ,
empty :=
space := $(empty) $(empty)
tab := $(empty)	$(empty)
escape := $(shell printf '\033')

UPPERCASE = $(subst a,A,$(subst b,B,$(subst c,C,$(subst d,D,$(subst e,E,$(subst f,F,$(subst g,G,$(subst h,H,$\
	$(subst i,I,$(subst j,J,$(subst k,K,$(subst l,L,$(subst m,M,$(subst n,N,$(subst o,O,$(subst p,P,$\
	$(subst q,Q,$(subst r,R,$(subst s,S,$(subst t,T,$(subst u,U,$(subst v,V,$(subst w,W,$(subst x,X,$\
	$(subst y,Y,$(subst z,Z,$(subst -,_,$(subst .,_,$(1)))))))))))))))))))))))))))))

sanitize = $(subst $(space),_,$(subst :,_,$(subst /,_,$(strip $(1)))))

# Buildroot asks `tput` for the escapes and has none where TERM is not set; here they are always written.
TERM_BOLD := $(escape)[7m
TERM_RESET := $(escape)[27m
MESSAGE = echo "$(TERM_BOLD)>>> $($(PKG)_NAME) $($(PKG)_VERSION) $(call qstrip,$(1))$(TERM_RESET)"

define sep


endef

PERCENT = %
QUOTE = '
# '

# Prints a text of several lines, after three spaces.
PRINTF = printf '   $(subst $(sep),\n,$(subst $(PERCENT),$(PERCENT)$(PERCENT),$\
	$(subst $(QUOTE),$(QUOTE)\$(QUOTE)$(QUOTE),$(subst \,\\,$(1)))))\n'
