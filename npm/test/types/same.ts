// What @stomp/stompjs declares, assigned to ours, and ours to it.

import type * as ours from "ours";
import type * as theirs from "theirs";

/** True if each fits in the place of the other. */
type Same<Ours, Theirs> = [Ours] extends [Theirs] ? ([Theirs] extends [Ours] ? true : "theirs does not fit") : "ours does not fit";
type All<T extends true[]> = T;

export type Checks = All<[
  Same<ours.ActivationState, theirs.ActivationState>,
  Same<ours.Client, theirs.Client>,
  Same<ours.closeEventCallbackType, theirs.closeEventCallbackType>,
  Same<ours.CompatClient, theirs.CompatClient>,
  Same<ours.debugFnType, theirs.debugFnType>,
  Same<ours.emptyCallbackType, theirs.emptyCallbackType>,
  Same<ours.frameCallbackType, theirs.frameCallbackType>,
  Same<ours.Frame, theirs.Frame>,
  Same<ours.FrameImpl, theirs.FrameImpl>,
  Same<ours.IFrame, theirs.IFrame>,
  Same<ours.IMessage, theirs.IMessage>,
  Same<ours.IPublishParams, theirs.IPublishParams>,
  Same<ours.IRawFrameType, theirs.IRawFrameType>,
  Same<ours.IStompSocket, theirs.IStompSocket>,
  Same<ours.IStompSocketMessageEvent, theirs.IStompSocketMessageEvent>,
  Same<ours.IStomptHandlerConfig, theirs.IStomptHandlerConfig>,
  Same<ours.ITransaction, theirs.ITransaction>,
  Same<ours.Message, theirs.Message>,
  Same<ours.messageCallbackType, theirs.messageCallbackType>,
  Same<ours.Parser, theirs.Parser>,
  Same<ours.publishParams, theirs.publishParams>,
  Same<ours.RawHeaderType, theirs.RawHeaderType>,
  Same<ours.ReconnectionTimeMode, theirs.ReconnectionTimeMode>,
  Same<ours.StompConfig, theirs.StompConfig>,
  Same<Required<ours.StompConfig>, Required<theirs.StompConfig>>,
  Same<ours.StompHeaders, theirs.StompHeaders>,
  Same<ours.StompSocketState, theirs.StompSocketState>,
  Same<ours.StompSubscription, theirs.StompSubscription>,
  Same<ours.TickerStrategy, theirs.TickerStrategy>,
  Same<ours.Versions, theirs.Versions>,
  Same<ours.wsErrorCallbackType, theirs.wsErrorCallbackType>,
  // Nothing is missing, types of values included.
  Same<Exclude<keyof typeof theirs, keyof typeof ours>, never>,
  Same<ConstructorParameters<typeof ours.Client>, ConstructorParameters<typeof theirs.Client>>,
  Same<ConstructorParameters<typeof ours.Versions>, ConstructorParameters<typeof theirs.Versions>>,
  Same<ConstructorParameters<typeof ours.Parser>, ConstructorParameters<typeof theirs.Parser>>,
]>;
